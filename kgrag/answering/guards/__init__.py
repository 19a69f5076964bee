"""Checks of a draft answer: each keeps it, replaces it or withdraws it."""

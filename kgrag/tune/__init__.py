"""Tuning on the user's own corpus: what is learned, how, what came of it, and the adapters that it leaves."""

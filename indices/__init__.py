"""Indices derived from a store: they can always be built again from it."""

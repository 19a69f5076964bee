"""Trained adapters: their cards, their inventory, and merging into a model."""

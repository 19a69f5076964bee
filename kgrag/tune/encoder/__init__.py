"""The sentence encoder: what it learns to find, its training, and whether it finds more."""

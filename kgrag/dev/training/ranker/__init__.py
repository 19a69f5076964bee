"""Training of the passage ranker."""

"""Personalized PageRank over passages and the names in them."""

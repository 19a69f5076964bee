"""Retrieve passages for a question by names, words, vectors and a walk through the graph."""

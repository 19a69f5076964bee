"""Benchmark of the claim judge on labelled datasets."""

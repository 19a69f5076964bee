"""Benchmarks on public datasets and on synthetic corpora."""

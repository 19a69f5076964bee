"""Benchmarks, and training of the shipped models. For developers: the product imports nothing from here."""

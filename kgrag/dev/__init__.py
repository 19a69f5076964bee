"""For developers: benchmarks, and training of the models that the program ships. The product imports nothing of it."""

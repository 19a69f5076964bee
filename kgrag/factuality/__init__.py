"""Factuality experiment: the same questions, model and instruction with different evidence in each arm."""

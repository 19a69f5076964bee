"""Measures of retrieval and of answers, with their intervals."""

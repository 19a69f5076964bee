"""Answers about many documents at once, without a language model."""

"""Benchmark of entity and fact extraction on labelled datasets."""

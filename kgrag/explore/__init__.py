"""Inspect the graph: entities, paths, conflicts, statistics and exports."""

"""Looking at the graph: an entity with its facts, paths, what contradicts, sizes, and the graph for other programs."""

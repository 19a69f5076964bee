"""From a question to its evidence: names, words, vectors, and a walk through the graph."""

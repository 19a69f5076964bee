"""Which entities are one: the rules, the merge sets, and a graph with its merges applied."""

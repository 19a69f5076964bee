"""Store the graph in a SQLite file."""

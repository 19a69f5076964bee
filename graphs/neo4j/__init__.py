"""Store the graph in a Neo4j database."""

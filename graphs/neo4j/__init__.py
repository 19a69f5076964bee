"""A store in a Neo4j database."""

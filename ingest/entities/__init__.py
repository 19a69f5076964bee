"""Recognize the entities of a document and resolve their names."""

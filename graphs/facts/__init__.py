"""Index the typed facts of a store by entity and by name."""

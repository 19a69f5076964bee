"""Graph stores, merged entities, fact indices and random walks."""

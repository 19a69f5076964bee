"""A store with the models that serve it."""

"""Training of the models that the program ships."""

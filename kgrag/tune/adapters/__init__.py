"""What is left of it: adapters, their cards, and the models that they are merged into."""

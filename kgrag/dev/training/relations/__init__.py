"""Training of the relation classifier."""

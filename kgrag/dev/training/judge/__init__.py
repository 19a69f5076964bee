"""Training of the judge of claims."""

"""Extract facts with patterns, a trained classifier, or a language model."""

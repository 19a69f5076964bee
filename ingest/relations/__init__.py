"""Extract facts: patterns, a trained classifier, or a language model."""

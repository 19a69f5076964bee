"""Answer questions from typed facts: parse the question, follow its relations, compare entities."""

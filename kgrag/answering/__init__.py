"""Answer a question: retrieve, generate, verify citations, abstain."""

"""Ingest: read files into documents, split them into passages, and extract mentions and facts."""

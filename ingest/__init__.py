"""The side that reads: files to documents, documents to passages, passages to mentions and triples."""

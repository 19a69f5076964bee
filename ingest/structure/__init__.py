"""Extract facts from the structure of documents: headings, labelled items, table rows."""

"""Read tables and JSONL as streams of rows."""

"""Files and arrays on disk: atomic writes, string tables."""

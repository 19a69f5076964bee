"""Read archives and compressed files."""

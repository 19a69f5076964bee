"""From a question to its answer over typed facts alone: what it asks, the walks that answer it, and comparisons."""

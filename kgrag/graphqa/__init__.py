"""From a question to its answer over typed facts: what it asks, the walks that answer it, and comparisons."""

"""Read source code."""

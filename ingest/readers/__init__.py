"""Find files, read them as text, and say what could not be read."""

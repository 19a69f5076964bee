"""Find files, read them as text, and report what could not be read."""

"""Terminal output: answers, tables and progress bars."""

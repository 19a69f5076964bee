"""What a person sees on a terminal: answers, tables and progress."""

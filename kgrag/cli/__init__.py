"""What a command line says to each command: its options, what it calls, and what it shows."""

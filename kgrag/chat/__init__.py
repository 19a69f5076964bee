"""Conversations: the REPL, follow-up questions, and saved sessions."""

"""Conversations: the REPL, follow-up questions, saved sessions."""

"""Detect encodings and clean text."""

"""Extraction measured on labelled datasets."""

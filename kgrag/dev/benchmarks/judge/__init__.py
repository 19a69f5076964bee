"""The judge of claims measured on labelled datasets."""

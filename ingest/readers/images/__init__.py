"""Read images and scanned pages by optical character recognition."""

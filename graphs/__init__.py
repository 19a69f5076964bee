"""Where documents and what was read in them are kept, and how their graph is walked."""

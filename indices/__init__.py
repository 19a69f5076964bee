"""Build, save and search the indices derived from a store."""

"""Training data: questions from a store's facts or a file, in the prompt format of `kgrag ask`."""

"""What is learned from: questions of a store's facts or of a file, as the product would ask them."""

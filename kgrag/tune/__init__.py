"""Fine-tuning on the user's own documents: training data, training, adapters, and the sentence encoder."""

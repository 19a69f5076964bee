"""Fine-tuning of the sentence encoder: training pairs, the trainer, and the gain in recall."""

DEFAULT_QUESTIONS = 2000
"""Default number of training questions."""

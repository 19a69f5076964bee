"""What grounding is worth, as an experiment: the same questions, model and instruction, and only the evidence differs."""

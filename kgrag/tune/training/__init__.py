"""Training of adapters: packing, the losses on answers and preferences, and the loop."""

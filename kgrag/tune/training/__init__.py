"""How it is learned: packs, the loss on answers and on preferences, the loop, and what it costs."""

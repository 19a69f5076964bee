"""Guards that check a draft answer: each accepts, replaces or withdraws it."""

"""Score a response: outcome, claims, support, uncertainty."""

"""Run the experiment: arms, conditions, cached responses."""

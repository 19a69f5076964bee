"""Steps from a question to a draft answer."""

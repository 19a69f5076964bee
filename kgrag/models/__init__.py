"""The models that can be had: which there are, fetching them, converting them for this machine."""

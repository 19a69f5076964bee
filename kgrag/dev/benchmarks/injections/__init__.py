"""Benchmark of injected text: documents and conversations that command an answer."""

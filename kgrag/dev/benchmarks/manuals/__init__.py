"""Benchmarks on questions about technical documents, with verbatim gold quotes and nuggets of the answer."""

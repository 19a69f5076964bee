"""The language-model core: one protocol, an implementation for processors and one for GPUs, and the choice of both."""

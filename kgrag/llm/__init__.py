"""Language models: backends for processors, GPUs and servers, and the choice between them."""

"""Checking: whether a model is served here, how, at what cost, and whether it scores as its own library does."""

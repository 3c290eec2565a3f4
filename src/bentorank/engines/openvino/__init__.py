"""The engine for CPUs, and what it makes of a model before it runs."""

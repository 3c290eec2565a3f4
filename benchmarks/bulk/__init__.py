"""`bentorank bulk`: its speed beside that of the engine alone, and what a million rows cost beside the model."""

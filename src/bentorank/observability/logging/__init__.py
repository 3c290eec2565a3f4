"""What is logged where, in one format for all that runs in a process: ours, BentoML's, uvicorn's and warnings."""

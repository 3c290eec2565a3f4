"""One client's connection: its limits, its parser, its end. Importing `protocol` brings uvicorn's along."""

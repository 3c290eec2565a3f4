"""Which families of models are served, on which engine and how exactly: the record of the tests' matrix, and tables."""

"""The API keys of the guarded server."""

KEY, SECOND_KEY, FILE_KEY = "first-key-0001", "second-key-0002", "file-key-0003"

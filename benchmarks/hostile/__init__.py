"""What a stranger may send: bodies that cost more than they look, and bytes that are no HTTP."""

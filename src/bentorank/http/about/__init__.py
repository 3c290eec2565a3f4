"""What the service says of itself: what it serves, and how it is."""

"""What the tests of a real server share."""

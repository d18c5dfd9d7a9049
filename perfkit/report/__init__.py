"""A document composed once, and its views."""

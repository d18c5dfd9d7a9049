"""The parts of the document; each function takes Evidence and returns plain data."""

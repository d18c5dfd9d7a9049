"""The run directory: its layout, the recorder that appends to it, and its readers."""

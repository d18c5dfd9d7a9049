"""The command line: one file per verb; each parses, calls `perfkit.api`, prints, and gives an exit code."""

"""Evidence and rules: what to change. One rule per file in `rules`."""

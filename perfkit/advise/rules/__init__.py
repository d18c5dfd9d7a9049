"""One rule per file; its docstring is its manual (`perfkit explain RULE`)."""

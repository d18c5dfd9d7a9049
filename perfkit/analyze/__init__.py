"""Pure functions, tables in and tables out."""

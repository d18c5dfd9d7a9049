"""Curves of a history: what goes into which chart, on which axis, with how many points; and charts for a terminal."""

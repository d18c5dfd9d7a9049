"""`perfkit monitor run`: a script that nobody changed, watched from outside while it runs."""

"""Starts and supervises the user's command from outside; the host, device and stack samplers run here."""

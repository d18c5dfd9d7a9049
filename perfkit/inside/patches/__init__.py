"""One file per fix that can be applied from inside the user's process."""

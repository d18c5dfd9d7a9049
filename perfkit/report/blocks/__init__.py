"""The blocks of the card, one file each, in the order they are read; each adds its lines to a page."""

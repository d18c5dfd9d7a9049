"""Scripts with one planted bottleneck each, or none, their cures, and what the cures give."""

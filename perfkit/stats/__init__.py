"""Pure statistics: robust summaries and the end of warm-up. No I/O."""

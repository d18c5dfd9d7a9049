"""`perfkit bench PATHS --base REV`: two revisions of a project, their benchmarks in turns, and a verdict on each."""

"""`perfkit bench history`: result files kept, series of each benchmark on each machine, and where they changed."""

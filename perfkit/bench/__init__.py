"""Benchmarks of models: how fast they answer, under the loads that a server or a batch job puts on them."""

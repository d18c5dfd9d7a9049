"""Which devices a machine has and what they can do."""

"""The vocabulary of perfkit: marks, table schemas, units and the records that cross a room's door."""

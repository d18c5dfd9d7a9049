"""Raw framework traces to the events table. Nothing else knows those formats."""

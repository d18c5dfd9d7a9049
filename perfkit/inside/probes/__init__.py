"""What records: one probe per framework, each a reversible pair."""

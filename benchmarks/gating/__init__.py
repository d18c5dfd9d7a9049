"""What benchmarks/gate.py is made of: recording pairs, replaying the gate on them, and the rules of others on the same samples."""

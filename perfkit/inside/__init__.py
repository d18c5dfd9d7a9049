"""What lives in the user's process. A guest: see boot.py for the rules of the house."""

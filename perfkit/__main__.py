"""``python -m perfkit``: the same as the command ``perfkit``."""

from .cli.main import main

if __name__ == "__main__":
    main()

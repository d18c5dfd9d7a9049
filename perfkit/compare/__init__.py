"""Run against run, machine against machine; and, in `projection`, what another machine would do."""

"""How large a batch is to be, for the fixes that make it larger."""

NOTE = "the learning rate was not changed"


def wanted(parameters, was):
    """``times`` as many samples as there *was*, or ``batch_size``; without either twice as many."""
    times = parameters.get("times")
    return was * int(times) if times else int(parameters.get("batch_size") or 2 * was)

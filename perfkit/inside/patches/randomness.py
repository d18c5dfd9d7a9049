"""The random numbers that come next in this process."""

import random
import sys


class Randomness:
    """State of torch's, Python's, NumPy's and a loader's own generator, to be brought back."""

    def __init__(self, torch, loader):
        self._torch, self._numpy = torch, sys.modules.get("numpy")
        own = (loader.generator, getattr(loader.sampler, "generator", None))
        self._generators = [generator for generator in own if hasattr(generator, "get_state")]
        self._states = (
            torch.get_rng_state(),
            random.getstate(),
            self._numpy.random.get_state() if self._numpy is not None else None,
            [generator.get_state() for generator in self._generators],
        )

    def moved(self):
        """Whether any of them would give another number now than then."""
        torch_state, python_state, numpy_state, states = self._states
        return not (
            self._torch.equal(self._torch.get_rng_state(), torch_state)
            and random.getstate() == python_state
            and (numpy_state is None or _equal(self._numpy.random.get_state(), numpy_state))
            and all(self._torch.equal(g.get_state(), state) for g, state in zip(self._generators, states))
        )

    def restore(self):
        """The same numbers come again."""
        torch_state, python_state, numpy_state, states = self._states
        self._torch.set_rng_state(torch_state)
        random.setstate(python_state)
        if numpy_state is not None:
            self._numpy.random.set_state(numpy_state)
        for generator, state in zip(self._generators, states):
            generator.set_state(state)


def _equal(one, other):
    """Two states of NumPy's generator: a name, an array of keys, and where in it the next number comes from."""
    return one[0] == other[0] and bool((one[1] == other[1]).all()) and one[2:] == other[2:]

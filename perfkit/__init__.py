"""perfkit: where a machine-learning script's time, memory and energy go, and what to change.

The command is the main door (``perfkit profile train.py``). In code, `step` and `region` mark what cannot be seen
from outside, and `profile` records a block. They cost nothing when no recording is going on. Everything heavy is
imported on first use.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

__version__ = "0.1.0"
__all__ = ["__version__", "profile", "region", "step"]

# The guest is loaded by location under this name, so that it also works where perfkit is not installed.
_GUEST = "_perfkit.inside.session"


def step() -> None:
    """Say that a step ended here, where perfkit cannot see it. Overrides what it detects by itself."""
    guest = _guest()
    if guest is not None:
        guest.user_step()


def region(name: str) -> AbstractContextManager[None]:
    """Name a block of the step (``with perfkit.region("tokenize"):``); its time is reported under that name."""
    guest = _guest()
    if guest is not None:
        made: AbstractContextManager[None] = guest.region(name)
        return made
    from contextlib import nullcontext

    return nullcontext()


def profile(results_dir: str | None = None, **options: Any) -> AbstractContextManager[Any]:
    """Record the block as a run, as `perfkit profile` records a script. Yields an object with ``.path``.

    Also arms when torch is already imported. ``options`` are those of the command (``trace_steps``, ``no_trace`` …).
    """
    from . import api

    return api.profile_block(results_dir=results_dir, **options)


def _guest() -> Any:
    """The recording's session module, if this process is recorded."""
    guest = sys.modules.get(_GUEST)
    if guest is None and "_perfkit" in sys.modules:  # supervised, but no framework has armed the session yet
        from importlib import import_module

        guest = import_module(_GUEST)
        guest.open_from_environment()
    return guest

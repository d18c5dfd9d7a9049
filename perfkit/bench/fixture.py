"""What the fixture `perfkit` is: a callable that times what it is given, with words for a training step and for inference."""

from __future__ import annotations

import asyncio
import inspect
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from .counting import counted
from .session import COUNTED, NOT_TIMED, TRACED, UNTIMED
from .timing import Prepared, timed, warmed_up
from .tracing import traced

if TYPE_CHECKING:
    from collections.abc import Callable

    from .session import Session


class Bench:
    """One benchmark; it is timed once."""

    def __init__(self, item: Any, session: Session) -> None:
        self._item, self._session = item, session
        self._used = False

    def __call__(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Time ``function(*args, **kwargs)``; returns what its last call returned. A coroutine function is awaited, in a loop of its own.

        The device is waited for at the end of each block of calls. Raises UsageError when called twice in one test.
        """
        if not inspect.iscoroutinefunction(function):
            return self._time(partial(function, *args, **kwargs), "call")
        with asyncio.Runner() as runner:
            return self._time(lambda: runner.run(function(*args, **kwargs)), "coroutine")

    def prepared(self, call: Prepared) -> Any:
        """Time a call that something goes before; returns what the last one returned."""
        return self._time(call, "call")

    def inference(self, model: Callable[..., Any], *inputs: Any) -> Any:
        """Time ``model(*inputs)`` as it is served: a torch module in eval mode and without gradients, a Keras model with training=False."""
        torch, keras = sys.modules.get("torch"), sys.modules.get("keras")
        if torch is not None and isinstance(model, torch.nn.Module):
            model.eval()

            def ask() -> Any:
                with torch.inference_mode():
                    return model(*inputs)

            return self._time(ask, "inference")
        if keras is not None and hasattr(keras, "Model") and isinstance(model, keras.Model):
            return self._time(partial(model, *inputs, training=False), "inference")
        return self._time(partial(model, *inputs), "inference")

    def train_step(
        self, model: Callable[..., Any], optimizer: Any, loss: Callable[..., Any], inputs: Any, *targets: Any
    ) -> Any:
        """Time a step of torch training: ``loss(model(inputs), *targets)``, backward, optimizer. Weights change as they would."""
        if hasattr(model, "train"):
            model.train()

        def step() -> Any:
            optimizer.zero_grad(set_to_none=True)
            found = loss(model(inputs), *targets)
            found.backward()
            optimizer.step()
            return found.detach()

        # Losses fall with the number of steps, which time decides: no answer to be compared.
        return self._time(step, "training step")

    def _time(self, call: Callable[[], Any], kind: str) -> Any:
        if self._used:
            raise UsageError("the fixture perfkit times one thing in a test: make it two tests")
        self._used = True
        session = self._session
        if session.mode == UNTIMED:
            self._item.user_properties.append(NOT_TIMED)
            return call()
        if session.mode in (COUNTED, TRACED):
            warmed_up(call)
            session.add_looked_at(self._item, counted(call) if session.mode == COUNTED else traced(call))
            return call()
        found = timed(call, session.plan, hand_over=session.hand_over if session.in_turns else None)
        session.add(self._item, found, kind, counted(call) if session.counts else {})
        return found.result

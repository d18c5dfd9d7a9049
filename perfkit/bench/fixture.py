"""What the fixture `perfkit` is: a callable that times what it is given, with words for a training step and for inference."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from .timing import timed, warmed_up
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
        """Time ``function(*args, **kwargs)``; returns what its last call returned.

        The device is waited for at the end of each block of calls. Raises UsageError when called twice in one test.
        """
        return self._time(partial(function, *args, **kwargs), "call")

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
        if session.traced:
            warmed_up(call)
            session.add_traced(self._item, traced(call))
            return call()
        found = timed(call, session.plan, hand_over=session.hand_over if session.in_turns else None)
        session.add(self._item, found, kind)
        return found.result

"""PyTorch: a step function of the user's, or a loop of theirs; losses are read together, so that no step waits for its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ...errors import UsageError
from ..probe import Probe, torch_probe
from ..scores import Scores, length, plain
from . import is_of

if TYPE_CHECKING:
    from ..model_monitor import Fit

#: (model, batch) → the loss, or a mapping with ``loss`` and, for metrics, ``y_true`` and ``y_pred``; more numbers become series.
StepFunction = Callable[[Any, Any], Any]
_PREDICTIONS = ("y_true", "y_pred")


def fits(model: Any) -> bool:
    """Whether this is a torch module."""
    return is_of(model, "torch", "nn.Module")


def fit(
    fit: Fit,
    step: StepFunction,
    loader: Iterable[Any],
    *,
    epochs: int = 1,
    optimizer: Any = None,
    validation: Iterable[Any] | None = None,
) -> Any:
    """Train *model* for *epochs*: with an *optimizer* the loop clears gradients, calls backward and steps; else *step* does all of it.

    *validation* is gone through after each epoch by the same *step*, without gradients and in eval mode. Returns the model.
    """
    if not callable(step):
        raise UsageError("fit(step, loader, …): step is a function of (model, batch) that returns the loss")
    fit.begin(optimizer=optimizer, data=loader)
    probe = _probe(fit, step, loader)
    for epoch in range(epochs):
        with fit.epoch(epoch, probe) as stopping:
            fit.model.train()
            fit.watching.step_began()
            for batch in loader:
                fit.step(_trained(fit.model, step, batch, optimizer), batch)
            fit.trained()
            if validation is not None:
                fit.scored("val", validated(fit.model, step, validation, fit.scores()))
        if stopping.stop:
            break
    return fit.model


def _trained(model: Any, step: StepFunction, batch: Any, optimizer: Any) -> Any:
    if optimizer is None:
        return step(model, batch)
    optimizer.zero_grad(set_to_none=True)
    said = step(model, batch)
    loss_of(said).backward()
    optimizer.step()
    return said


def loss_of(said: Any) -> Any:
    """The loss in what a step function returned. Raises UsageError."""
    loss = said.get("loss") if isinstance(said, Mapping) else said
    if loss is None:
        raise UsageError("the step function returned no loss; return the loss, or a mapping with 'loss'")
    return loss


def kept(said: Any) -> dict[str, Any]:
    """What is kept of a step until it is read: tensors detached, nothing waited for."""
    values = dict(said) if isinstance(said, Mapping) else {"loss": said}
    return {name: _detached(value) for name, value in values.items()}


def _detached(value: Any) -> Any:
    # A copy: a loss that is changed in place later would be read as what it became.
    return value.detach().clone() if hasattr(value, "detach") else value


def read(steps: list[dict[str, Any]], scores: Scores) -> list[Mapping[str, float]]:
    """The numbers of several steps, each name's tensors copied to the host together; predictions go to *scores*."""
    for values in steps:
        if all(values.get(name) is not None for name in _PREDICTIONS):
            scores.update(values["y_true"], values["y_pred"])
    names = dict.fromkeys(name for values in steps for name in values if name not in _PREDICTIONS)
    columns = {name: _numbers([values.get(name) for values in steps]) for name in names}
    return [{n: column[row] for n, column in columns.items() if column[row] is not None} for row in range(len(steps))]


def _numbers(values: list[Any]) -> list[Any]:
    tensors = [value for value in values if hasattr(value, "detach")]
    if not tensors:
        return [None if value is None else float(value) for value in values]
    import torch

    joined = torch.stack([tensor.double().mean() for tensor in tensors]).tolist()
    found = iter(joined)
    return [next(found) if hasattr(v, "detach") else None if v is None else float(v) for v in values]


def validated(model: Any, step: StepFunction, loader: Iterable[Any], scores: Scores) -> dict[str, float]:
    """Metrics and mean loss over *loader*, in eval mode and without gradients; the model's modes are as before afterwards."""
    import torch

    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        with torch.no_grad():
            for batch in loader:
                said = step(model, batch)
                values = dict(said) if isinstance(said, Mapping) else {"loss": said}
                if all(values.get(name) is not None for name in _PREDICTIONS):
                    scores.update(values["y_true"], values["y_pred"])
                scores.loss(float(plain(loss_of(said))), length(batch) or 1)
    finally:
        for module, mode in modes.items():
            module.training = mode
    return scores.values()


def _probe(fit: Fit, step: StepFunction, loader: Iterable[Any]) -> Probe | None:
    """The loss on a fixed batch. "auto" would have to take a batch from the loader, and so change what the training sees: only a given one."""
    batch = fit.wanted.probe
    return None if batch is None else torch_probe(fit.model, lambda model: float(plain(loss_of(step(model, batch)))))

"""PyTorch: a step function of the user's, or a loop of theirs; losses are read together, so that no step waits for its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ...errors import UsageError
from ..metrics.arrays import as_array
from ..probe import Probe, aside, torch_probe
from ..scores import Scores, length
from . import is_of

if TYPE_CHECKING:
    from ..fitting import Fit

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
    evaluate: StepFunction | None = None,
) -> Any:
    """Train *model* for *epochs*: with an *optimizer* the loop clears gradients, calls backward and steps; else *step* does all of it.

    *validation* is gone through after each epoch by *evaluate* (None: by *step*, which then must not train where ``model.training`` is
    False), without gradients, in eval mode, and with the random states as before afterwards. Returns the model.
    """
    if not callable(step):
        raise UsageError("fit(step, loader, …): step is a function of (model, batch) that returns the loss")
    fit.begin(optimizer=optimizer, data=loader)
    evaluate = evaluate or step
    probe = _probe(fit, evaluate)
    for epoch in range(epochs):
        with fit.epoch(epoch, probe) as stopping:
            if not fit.model.training:  # as `train()` at the top of a loop; layers that the user has frozen stay so
                fit.model.train()
            for batch in loader:
                fit.step(_trained(fit.model, step, batch, optimizer), batch)
            fit.trained()
            if validation is not None:
                fit.scored("val", validated(fit.model, evaluate, validation, fit.scores()))
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


def kept(said: Any) -> tuple[dict[str, Any], int]:
    """What is kept of a step until it is read, and its bytes: tensors detached, nothing waited for."""
    values = dict(said) if isinstance(said, Mapping) else {"loss": said}
    found = {name: _detached(value) for name, value in values.items() if value is not None}
    return found, sum(value.nbytes for value in found.values() if hasattr(value, "nbytes"))


def _detached(value: Any) -> Any:
    # A copy: a loss that is changed in place later would be read as what it became.
    return value.detach().clone() if hasattr(value, "detach") else value


def read(steps: list[dict[str, Any]], scores: Scores) -> list[Mapping[str, float]]:
    """The numbers of several steps, each name's tensors copied to the host together; predictions go to *scores*."""
    for y_true, y_pred in _together([tuple(v[n] for n in _PREDICTIONS) for v in steps if _has_predictions(v)]):
        scores.update(y_true, y_pred)
    names = dict.fromkeys(name for values in steps for name in values if name not in _PREDICTIONS)
    columns = {name: _numbers([values.get(name) for values in steps]) for name in names}
    return [{n: column[row] for n, column in columns.items() if column[row] is not None} for row in range(len(steps))]


def _together(pairs: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Predictions of several steps as one batch, so that they are copied and counted once; as they are where they differ in more than size."""
    if len(pairs) < 2 or len({_kind(pair) for pair in pairs}) > 1 or None in _kind(pairs[0]):
        return pairs
    import torch

    return [tuple(torch.cat(parts) for parts in zip(*pairs, strict=True))]


def _kind(pair: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple((v.shape[1:], v.dtype, v.device) if hasattr(v, "detach") and v.ndim else None for v in pair)


def _has_predictions(values: Mapping[str, Any]) -> bool:
    return all(values.get(name) is not None for name in _PREDICTIONS)


def _numbers(values: list[Any]) -> list[Any]:
    tensors = [value for value in values if hasattr(value, "detach")]
    if not tensors:
        return [None if value is None else float(value) for value in values]
    import torch

    joined = torch.stack([_mean(tensor, tensors[0].device) for tensor in tensors]).tolist()
    found = iter(joined)
    return [next(found) if hasattr(v, "detach") else None if v is None else float(v) for v in values]


def _mean(tensor: Any, device: Any) -> Any:
    exact = tensor.float() if tensor.device.type == "mps" else tensor.double()  # Apple's GPUs have no float64
    return exact.mean().to(device)


def validated(model: Any, evaluate: StepFunction, loader: Iterable[Any], scores: Scores) -> dict[str, float]:
    """Metrics and mean loss (by samples) over *loader*; the losses are read together."""
    losses: list[Any] = []
    samples: list[int] = []
    with aside(model):
        for batch in loader:
            said = _evaluated(model, evaluate, batch)
            if isinstance(said, Mapping) and _has_predictions(said):
                scores.update(said["y_true"], said["y_pred"])
            losses.append(_detached(loss_of(said)))
            samples.append(length(batch) or 1)
    for loss, count in zip(_numbers(losses), samples, strict=True):
        scores.loss(loss, count)
    return scores.values()


def _evaluated(model: Any, evaluate: StepFunction, batch: Any) -> Any:
    try:
        return evaluate(model, batch)
    except RuntimeError as error:
        if "does not require grad" in str(error):
            error.add_note(
                "perfkit: evaluation has no gradients; give evaluate=, a function without backward(), or train in the step only where "
                "model.training is true"
            )
        raise


def _probe(fit: Fit, evaluate: StepFunction) -> Probe | None:
    """The loss on a fixed batch, one that was given: to take one from the loader would change what the training sees."""
    batch = fit.wanted.probe
    if batch is None:
        return None
    if isinstance(batch, str):
        raise UsageError(f"probe={batch!r}: of a torch model give a batch of the loader's kind")
    return torch_probe(fit.model, lambda model: float(as_array(loss_of(_evaluated(model, evaluate, batch)))))

"""Facts of a torch.nn.Module and of torch's optimizers."""

from __future__ import annotations

import sys
from typing import Any

from .facts import (
    MAX_LAYERS,
    SAMPLED_TENSORS,
    SAMPLED_VALUES,
    class_name,
    evenly,
    setting,
    settings,
    sha256,
    strides,
    structure,
)

#: Wrappers that only pass calls on, and where they keep the module.
_WRAPPERS = {
    "torch._dynamo.eval_frame.OptimizedModule": "_orig_mod",
    "torch.nn.parallel.distributed.DistributedDataParallel": "module",
    "torch.nn.parallel.data_parallel.DataParallel": "module",
}


def knows(model: Any) -> bool:
    """Whether *model* is a torch module; torch is not imported for it."""
    module = getattr(sys.modules.get("torch.nn"), "Module", None)
    return module is not None and isinstance(model, module)


def facts(model: Any, *, weights: bool) -> dict[str, Any]:
    """Of a module, wrappers looked through."""
    torch: Any = sys.modules["torch"]
    model, wrappers = _unwrapped(model)
    seen: set[int] = set()
    layers = [_layer(name, module, seen) for name, module in model.named_modules() if _is_layer(module)]
    parameters = [p for p in model.parameters() if not _is_lazy(p)]
    total = sum(p.numel() for p in parameters)
    tensors = [*parameters, *(b for b in model.buffers() if not _is_lazy(b))]
    return {
        "framework": {"name": "torch", "version": str(torch.__version__), "backend": None},
        "class": _class_of(model),
        "wrapped_by": wrappers,
        "layers": [layer for layer, _ in layers[:MAX_LAYERS]],
        "layers_total": len(layers),
        "parameters": total,
        "trainable_parameters": sum(p.numel() for p in parameters if p.requires_grad),
        "uninitialised_parameters": sum(_is_lazy(p) for p in model.parameters()),
        "parameter_bytes": sum(p.numel() * p.element_size() for p in parameters),
        "buffers": sum(b.numel() for b in model.buffers() if not _is_lazy(b)),
        "dtypes": _counted((_dtype(p), p.numel()) for p in parameters),
        "devices": sorted({str(p.device) for p in tensors}),
        "fingerprints": {
            "structure": structure(
                [_class_of(model), *([{**layer, "trainable": None}, extra] for layer, extra in layers)]
            ),
            **(_sample(torch, tensors) if weights else {"weights": None, "weights_sampled": 0}),
        },
    }


def optimizer(given: Any) -> dict[str, Any]:
    """Class, learning rate of the first group and of all (the first 16), and settings."""
    groups = list(getattr(given, "param_groups", ()))
    rates = [setting(group.get("lr")) for group in groups]
    options = groups[0] if groups else {}
    return {
        "class": class_name(given),
        "learning_rate": rates[0] if rates else None,
        "learning_rates": rates[:16],
        "schedule": None,
        "settings": settings({k: v for k, v in options.items() if k not in ("params", "param_names", "lr")}),
    }


def _unwrapped(model: Any) -> tuple[Any, list[str]]:
    wrappers = []
    while class_name(model) in _WRAPPERS:
        wrappers.append(class_name(model))
        model = getattr(model, _WRAPPERS[class_name(model)])
    return model, wrappers


def _class_of(module: Any) -> str:
    """The module's own class: sharding replaces it by one that it makes on the spot."""
    kinds = (k for k in type(module).__mro__ if not k.__module__.startswith("torch.distributed.fsdp"))
    kind = next(kinds)
    return f"{kind.__module__}.{kind.__qualname__}"


def _is_layer(module: Any) -> bool:
    """Modules that hold parameters or buffers themselves, or have no parts: containers say nothing new."""
    own = (
        next(module.parameters(recurse=False), None) is not None
        or next(module.buffers(recurse=False), None) is not None
    )
    return own or next(module.children(), None) is None


def _layer(name: str, module: Any, seen: set[int]) -> tuple[dict[str, Any], str]:
    """A layer's facts, parameters that an earlier one shares counted with that one; and its settings, for the fingerprint."""
    parameters = dict(module.named_parameters(recurse=False))
    own = [p for p in parameters.values() if id(p) not in seen and not _is_lazy(p)]
    seen.update(id(p) for p in parameters.values())
    layer = {
        "name": name,
        "class": _class_of(module),
        "parameters": sum(p.numel() for p in own),
        "trainable": any(p.requires_grad for p in parameters.values()),
        "shapes": {key: None if _is_lazy(p) else list(p.shape) for key, p in parameters.items()},
        "dtype": next((_dtype(p) for p in parameters.values() if not _is_lazy(p)), None),
    }
    return layer, _extra(module)


def _extra(module: Any) -> str:
    """Settings that shapes do not show: stride, dropout's rate. A module's own text, so it may raise."""
    try:
        return str(module.extra_repr())
    except Exception as error:
        return type(error).__name__


def _sample(torch: Any, tensors: list[Any]) -> dict[str, Any]:
    """SHA-256 over a few values of some tensors: gathered as bytes where they are, copied once per device."""
    by_device: dict[str, list[Any]] = {}
    count = 0
    for tensor in evenly([t for t in tensors if t.numel() and t.device.type != "meta"], SAMPLED_TENSORS):
        local = getattr(
            tensor, "_local_tensor", tensor
        ).detach()  # of a sharded tensor what this process holds: no communication
        few = local[strides(local.shape, SAMPLED_VALUES)].contiguous().reshape(-1)
        count += few.numel()
        by_device.setdefault(str(few.device), []).append(few.view(torch.uint8))
    parts = [torch.cat(parts).cpu().numpy().tobytes() for _, parts in sorted(by_device.items())]
    return {"weights": sha256(*parts) if count else None, "weights_sampled": count}


def _counted(pairs: Any) -> dict[str, int]:
    counts: dict[str, int] = {}
    for name, count in pairs:
        counts[name] = counts.get(name, 0) + count
    return counts


def _dtype(tensor: Any) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def _is_lazy(tensor: Any) -> bool:
    """A parameter of a lazy module, whose shape the first batch will tell."""
    return type(tensor).__name__ in ("UninitializedParameter", "UninitializedBuffer")

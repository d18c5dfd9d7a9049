"""Facts about a model that is called outermost: what it is made of, how it is wrapped, in what it is stored."""

from .observed import autocast_dtype

WRAPPERS = ("DataParallel", "DistributedDataParallel", "FullyShardedDataParallel")
# What DistributedDataParallel keeps of its arguments, under our names.
DDP_SETTINGS = {
    "find_unused_parameters": "find_unused_parameters",
    "static_graph": "static_graph",
    "gradient_as_bucket_view": "gradient_as_bucket_view",
}
MIB = 1 << 20


def model(thing, torch):
    """Everything, asked at the model's first call."""
    inner = getattr(thing, "_orig_mod", thing)
    found = {
        "kind": "model",
        "class": class_name(inner),
        "training": bool(thing.training),
        "autocast": autocast_dtype(torch),
        "grad_enabled": bool(torch.is_grad_enabled()),
        "buffers_bytes": sum(b.numel() * b.element_size() for b in thing.buffers() if not lazy(b)),
    }
    found.update(_parameters(thing, torch))
    found.update(_modules(thing))
    found.update(_wrapper(thing))
    return found


def _parameters(thing, torch):
    dtypes, devices = {}, {}
    found = {
        "parameters": 0,
        "parameter_bytes": 0,
        "parameter_tensors": 0,
        "frozen_parameters": 0,
        "conv_parameters": 0,
    }
    layouts = {}  # whether the weights of convolutions are channels_last -> elements; both at once says nothing
    for parameter in thing.parameters():
        number = parameter.numel() if not lazy(parameter) else 0
        found["parameters"] += number
        found["parameter_tensors"] += 1
        found["parameter_bytes"] += number * parameter.element_size()
        found["frozen_parameters"] += 0 if parameter.requires_grad else number
        add(dtypes, str(parameter.dtype).replace("torch.", ""), number)
        add(devices, str(parameter.device), number)
        if number and parameter.dim() == 4:
            found["conv_parameters"] += number
            plain = parameter.is_contiguous()
            if plain != parameter.is_contiguous(memory_format=torch.channels_last):
                add(layouts, not plain, number)
    told = sum(layouts.values())
    found["channels_last"] = layouts.get(True, 0) / told if told else None
    return dict(found, dtypes=dtypes, devices=devices)


def _modules(thing):
    count = attention = compiled = 0
    for module in thing.modules():
        count += 1
        name = type(module).__name__
        attention += "Attention" in name
        compiled += name == "OptimizedModule" or getattr(module, "_compiled_call_impl", None) is not None
    return {"modules": count, "attention_modules": attention, "compiled": compiled > 0}


def _wrapper(thing):
    """The parallel wrapper among the outermost layers, with its settings, and the class of the model inside."""
    found = {"wrapper": None, "inner_class": None}
    while True:
        name = type(thing).__name__
        if name in WRAPPERS or name.startswith("FSDP"):
            found["wrapper"] = name if name in WRAPPERS else "FullyShardedDataParallel"
            found.update(_ddp(thing) if name == "DistributedDataParallel" else {})
        inner = getattr(thing, "_orig_mod", None)
        if inner is None and name in WRAPPERS:
            inner = getattr(thing, "module", None)
        if inner is None or inner is thing:
            found["inner_class"] = class_name(thing)
            return found
        thing = inner


def _ddp(thing):
    found = {ours: bool(getattr(thing, theirs, False)) for ours, theirs in DDP_SETTINGS.items()}
    cap = getattr(thing, "bucket_bytes_cap", None)
    found["bucket_cap_mb"] = cap / MIB if cap is not None else None
    return found


def class_name(thing):
    """Module and qualified name of a thing's class."""
    return "%s.%s" % (type(thing).__module__, type(thing).__qualname__) if thing is not None else None


def lazy(parameter):
    """Whether a parameter has no size yet."""
    return type(parameter).__name__.startswith("Uninitialized")


def add(counts, key, number):
    """Count *number* more under *key*."""
    counts[key] = counts.get(key, 0) + number

"""Inputs of a model, made from their shapes and types, or by a function of the person's own."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import UsageError
from .subject import named_module

_SPEC = re.compile(r"(?:(?P<name>[A-Za-z_]\w*):)?(?P<dtype>[a-z]+\d*)\[(?P<shape>[^\]]*)\](?:<(?P<below>\d+))?")
#: Integers are made below this where nothing is said: small enough to be a token of any vocabulary, and a class of most.
BELOW = 100
#: What numpy has no name for.
AS_FLOAT32 = ("bfloat16",)
SEED = 0


@dataclass(frozen=True, kw_only=True)
class Input:
    """One array: name (None: by place), type, sizes ("batch" for what varies), and for integers what they lie below."""

    name: str | None
    dtype: str
    shape: tuple[int | str, ...]
    below: int = BELOW

    def array(self, batch: int, rng: np.random.Generator) -> Any:
        """Standard normal numbers, integers from 0 to below, or booleans; shape with the batch filled in."""
        shape = tuple(batch if size == "batch" else int(size) for size in self.shape)
        if self.dtype == "bool":
            return rng.random(shape) < 0.5
        if self.dtype.startswith(("int", "uint")):
            return rng.integers(0, self.below, shape).astype(self.dtype)
        return rng.standard_normal(shape).astype("float32" if self.dtype in AS_FLOAT32 else self.dtype)


def parse(text: str) -> Input:
    """``ids:int64[{batch},128]<30000``: name, type, sizes, and below what integers lie; name and limit may be left out. Raises UsageError."""
    found = _SPEC.fullmatch(text.replace(" ", ""))
    if found is None:
        raise UsageError(
            f'--input {text!r}: write name:type[sizes], as in "ids:int64[{{batch}},128]" or "float32[{{batch}},3,224,224]"'
        )
    sizes = [size for size in found["shape"].split(",") if size]
    bad = next((size for size in sizes if size != "{batch}" and not size.isdigit()), None)
    if bad is not None:
        raise UsageError(f"--input {text!r}: {bad!r} is no size; a number, or {{batch}}")
    dtype = found["dtype"]
    try:
        np.dtype("float32" if dtype in AS_FLOAT32 else dtype)
    except TypeError:
        raise UsageError(f"--input {text!r}: there is no type {dtype!r}") from None
    shape: tuple[int | str, ...] = tuple("batch" if size == "{batch}" else int(size) for size in sizes)
    return Input(name=found["name"], dtype=dtype, shape=shape, below=int(found["below"] or BELOW))


def maker(specs: Sequence[Input], framework: str | None) -> Callable[[int], Any]:
    """A function from a batch size to inputs: a mapping where they have names, else a tuple. The same for the same size."""
    named = [spec.name is not None for spec in specs]
    if any(named) and not all(named):
        raise UsageError("--input: either every input has a name or none")
    convert = _converter(framework)

    def make(batch: int) -> Any:
        rng = np.random.default_rng((SEED, batch))
        arrays = [convert(spec.array(batch, rng), spec.dtype) for spec in specs]
        if all(named):
            return {str(spec.name): array for spec, array in zip(specs, arrays, strict=True)}
        return tuple(arrays)

    return make


def _converter(framework: str | None) -> Callable[[Any, str], Any]:
    if framework != "torch":
        return lambda array, _: array
    import torch

    return lambda array, dtype: torch.from_numpy(np.ascontiguousarray(array)).to(getattr(torch, dtype, None))


def provider(spec: str) -> Callable[[int], Any]:
    """The person's own function of a batch size: ``module:name`` or ``file.py:name``. Raises UsageError."""
    module, colon, name = spec.rpartition(":")
    found = getattr(named_module(module), name, None) if colon and module else None
    if not callable(found):
        raise UsageError(
            f"--inputs {spec}: write module:function; it is called with the batch size and gives the inputs"
        )
    made: Callable[[int], Any] = found
    return made

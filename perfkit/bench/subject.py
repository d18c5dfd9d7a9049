"""What is benchmarked: a callable made from a MODEL_SPEC, and the words for what its framework needs around a call."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import MissingDependency, UsageError

#: Files that hold a model, and what reads them.
EXPORTED, SCRIPTED, KERAS = (".pt2",), (".pt", ".ts", ".torchscript"), (".keras",)
INSTALL = "not installed here; pip install perfkit[{extra}]"


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A model that can be asked. ``kind``: function, torch module, exported program, TorchScript, or Keras model."""

    spec: str
    kind: str
    ask: Callable[[Any], Any]
    framework: str | None = None


def load(spec: str) -> Subject:
    """The model that *spec* names: ``module:name``, ``file.py:name`` (a function or a model; a function ``make_…`` or a class is called
    first), or a file .pt2, TorchScript (.pt, .ts) or .keras.

    A torch module is put into eval mode and asked in inference mode. Raises UsageError where nothing of that name is there.
    """
    path = Path(spec)
    if path.suffix in (*EXPORTED, *SCRIPTED, *KERAS):
        if not path.is_file():
            raise UsageError(f"{spec}: there is no such file")
        return _from_file(spec, path)
    module, colon, name = spec.rpartition(":")
    if not colon or not module or not name:
        raise UsageError(f"{spec}: write module:name, file.py:name, or a file ending in .pt2, .pt, .ts or .keras")
    return _from_object(spec, made(_named(module, name), name))


def made(thing: Any, name: str) -> Any:
    """The thing itself; what a class, or a function whose name begins with make, gives without arguments."""
    return thing() if isinstance(thing, type) or name.rpartition(".")[2].startswith("make") else thing


def _named(module: str, name: str) -> Any:
    found = named_module(module)
    for part in name.split("."):
        if not hasattr(found, part):
            raise UsageError(f"{module} has no {name!r}")
        found = getattr(found, part)
    return found


def named_module(module: str) -> Any:
    """The module of that name, or the file; the current folder comes first, as for ``python -m``."""
    path = Path(module)
    if path.suffix == ".py":
        if not path.is_file():
            raise UsageError(f"{module}: there is no such file")
        specification = importlib.util.spec_from_file_location(path.stem, path)
        assert specification is not None and specification.loader is not None
        made_module = importlib.util.module_from_spec(specification)
        sys.modules[path.stem] = made_module
        sys.path.insert(0, str(path.parent.resolve()))
        specification.loader.exec_module(made_module)
        return made_module
    sys.path.insert(0, "")
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name and module.split(".")[0] == error.name.split(".")[0]:
            raise UsageError(f"{module}: there is no such module here") from None
        raise


def _from_file(spec: str, path: Path) -> Subject:
    if path.suffix in KERAS:
        keras = _imported("keras", "tensorflow")
        return _of_keras(spec, keras.saving.load_model(path))
    torch = _imported("torch", "torch")
    if path.suffix in EXPORTED:
        return _of_torch(spec, torch, torch.export.load(path).module(), "exported program")
    return _of_torch(spec, torch, torch.jit.load(path).eval(), "TorchScript")


def _imported(name: str, extra: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        raise MissingDependency(f"{name}: {INSTALL.format(extra=extra)}") from None


def _from_object(spec: str, thing: Any) -> Subject:
    torch, keras = sys.modules.get("torch"), sys.modules.get("keras")
    if torch is not None and isinstance(thing, torch.nn.Module):
        return _of_torch(spec, torch, thing.eval(), "torch module")
    if keras is not None and hasattr(keras, "Model") and isinstance(thing, keras.Model):
        return _of_keras(spec, thing)
    if not callable(thing):
        raise UsageError(f"{spec} is a {type(thing).__name__}, which cannot be called")
    return Subject(spec=spec, kind="function", ask=lambda inputs: finished(called(thing, inputs)))


def _of_torch(spec: str, torch: Any, model: Any, kind: str) -> Subject:
    def ask(inputs: Any) -> Any:
        with torch.inference_mode():
            return finished(called(model, inputs))

    return Subject(spec=spec, kind=kind, ask=ask, framework="torch")


def _of_keras(spec: str, model: Any) -> Subject:
    def ask(inputs: Any) -> Any:
        return finished(model(inputs if isinstance(inputs, Mapping) else _single(inputs), training=False))

    return Subject(spec=spec, kind="Keras model", ask=ask, framework="keras")


def _single(inputs: Any) -> Any:
    return inputs[0] if isinstance(inputs, tuple) and len(inputs) == 1 else inputs


def called(function: Callable[..., Any], inputs: Any) -> Any:
    """A mapping is given by name, a tuple by place, anything else as the one argument."""
    if isinstance(inputs, Mapping):
        return function(**inputs)
    return function(*inputs) if isinstance(inputs, tuple) else function(inputs)


def finished(outputs: Any) -> Any:
    """Wait until they are there: a GPU, and JAX, answer before they have computed."""
    torch: Any = sys.modules.get("torch")
    for output in flat(outputs):
        if hasattr(output, "block_until_ready"):
            output.block_until_ready()
        elif getattr(output, "is_cuda", False):
            torch.cuda.synchronize(output.device)
        elif hasattr(output, "_numpy") and "GPU" in str(getattr(output, "device", "")):
            output._numpy()
    if torch is not None and hasattr(torch, "cuda") and torch.cuda.is_initialized():
        torch.cuda.synchronize()  # what a training step returns, if anything, need not be on the device
    return outputs


def flat(outputs: Any) -> list[Any]:
    """Arrays and tensors in *outputs*, however they are nested, in order."""
    if isinstance(outputs, Mapping):
        return [leaf for key in sorted(outputs, key=str) for leaf in flat(outputs[key])]
    if isinstance(outputs, (list, tuple)):
        return [leaf for part in outputs for leaf in flat(part)]
    return [] if outputs is None else [outputs]

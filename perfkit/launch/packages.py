"""Versions of the packages that matter, from the metadata on disk: nothing is imported, no interpreter
started.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from importlib.metadata import Distribution, DistributionFinder, MetadataPathFinder
from pathlib import Path

NAMES = (
    "torch", "torchvision", "torchaudio", "pytorch-lightning", "lightning", "transformers", "accelerate", "datasets",
    "timm", "diffusers", "peft", "trl", "bitsandbytes", "deepspeed", "flash-attn", "xformers", "triton", "torchao",
    "tensorflow", "tensorflow-cpu", "keras", "jax", "jaxlib", "flax", "optax", "equinox", "onnxruntime", "vllm",
    "numpy", "scipy", "pandas", "polars", "pyarrow", "scikit-learn", "pillow", "opencv-python",
    "opencv-python-headless", "albumentations", "webdataset", "torchdata", "nvidia-dali-cuda120", "mkl",
    "intel-extension-for-pytorch", "nvidia-cudnn-cu12", "nvidia-cudnn-cu13", "nvidia-nccl-cu12", "nvidia-nccl-cu13",
    "wandb", "mlflow", "tensorboard", "ray", "perfkit",
)  # fmt: skip


def versions(python: str) -> dict[str, str]:
    """Name → version of what is installed for the interpreter at *python*; empty when its place is not
    known.
    """
    folders = site_folders(python)
    found = ((name, _version(name, folders)) for name in NAMES) if folders else ()
    return {name: version for name, version in found if version is not None}


def site_folders(python: str) -> list[str]:
    """The package folders of an interpreter, from where it lies; of a virtual environment also its base's,
    if used.
    """
    prefix = Path(python).absolute().parent.parent
    own = Path(sys.prefix)
    if prefix == own or prefix == own.absolute():
        return [folder for folder in sys.path if folder.endswith(("site-packages", "dist-packages"))]
    folders = list(_folders(prefix))
    base = _base(prefix)
    return [str(folder) for folder in (*folders, *(_folders(base) if base else ()))]


def _folders(prefix: Path) -> Iterable[Path]:
    patterns = ("lib/python3*/site-packages", "local/lib/python3*/dist-packages", "lib/python3/dist-packages")
    for pattern in (*patterns, "lib64/python3*/site-packages", "Lib/site-packages"):
        yield from sorted(prefix.glob(pattern))


def _base(prefix: Path) -> Path | None:
    """The prefix under a virtual environment that sees its base's packages."""
    try:
        text = (prefix / "pyvenv.cfg").read_text(encoding="utf-8")
    except OSError:
        return None
    pairs = (line.partition("=") for line in text.splitlines())
    settings = {key.strip().lower(): value.strip() for key, _, value in pairs}
    if settings.get("include-system-site-packages", "false").lower() != "true" or "home" not in settings:
        return None
    return Path(settings["home"]).parent


def _version(name: str, folders: list[str]) -> str | None:
    context = DistributionFinder.Context(name=name, path=folders)
    found: Distribution | None = next(iter(MetadataPathFinder.find_distributions(context)), None)
    if found is None:
        return None
    # Damaged metadata may lack it.
    return str(found.metadata["Version"]) or None if "Version" in found.metadata else None

"""What a person calls a device, such as ``h100``, ``a100-80gb-pcie`` or ``RTX 4090``, and the entry that they mean."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ...errors import UsageError
from .entries import DeviceSpec, devices, match, names, plain

#: Names that an error offers.
MOST_OFFERED = 5
# Less alike than this, two names have only their digits in common.
ALIKE = 0.5


class UnknownDevice(UsageError, ValueError):  # noqa: N818 - reads as the fact it states
    """No entry of the catalogue answers to that name, or several do."""


def find(text: str) -> DeviceSpec:
    """The entry that *text* means: a driver's name, an entry's, a short one (``short`` of the entries: ``a100`` is the SXM4 with
    80 GB, ``h100`` the SXM5, ``v100`` the SXM2 with 16 GB), or words that only one entry has (``a100 pcie 40gb``).

    Raises UnknownDevice, with the candidates or the nearest names.
    """
    named = match(text) or _called().get(_joined(text))
    if named is not None:
        return named
    words = _words(text)
    candidates = [spec for spec in devices() if words and words <= _words_of(spec)]
    if len(candidates) == 1:
        return candidates[0]
    if candidates:
        raise UnknownDevice(f"{text!r} may be one of several devices: {_offered(candidates)}; name one of them")
    raise UnknownDevice(f"no device {text!r} in the catalogue; {_nearest(text)}see: perfkit hardware list")


def _called() -> dict[str, DeviceSpec]:
    return {_joined(name): spec for spec in devices() for name in (spec.name, *spec.short)}


def _joined(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", plain(text))


def _words(text: str) -> set[str]:
    """``A100 PCIe 80 GB`` → a100, pcie, 80gb."""
    return set(re.findall(r"[a-z0-9]+", re.sub(r"(\d)\s+gb\b", r"\1gb", plain(text))))


def _words_of(spec: DeviceSpec) -> set[str]:
    drivers = [name for name, entry in names().items() if entry.name == spec.name]
    return set().union(*(_words(name) for name in (spec.name, *spec.short, *drivers)))


def _offered(specs: Iterable[DeviceSpec]) -> str:
    shown = [spec.short[-1] if spec.short else spec.name for spec in specs]
    return ", ".join(shown[:MOST_OFFERED]) + (" …" if len(shown) > MOST_OFFERED else "")


def _nearest(text: str) -> str:
    import difflib

    known = {name: spec for spec in devices() for name in spec.short}
    near = difflib.get_close_matches("-".join(plain(text).split()), known, n=MOST_OFFERED, cutoff=ALIKE)
    chosen = list({known[name].name: name for name in near}.values())[:3]
    return f"did you mean {' or '.join(chosen)}? " if chosen else ""

"""What accelerators can do at most, from their makers' documents: one TOML file per family, a source per number.

All peaks are dense: a figure "with sparsity" is twice what an ordinary program can reach. A device that is not listed,
or of which a program has only a part (MIG), has no entry: a guess would look like a fact. (`hardware.formula` makes an estimate
that is labelled as one.)

The makers' documents themselves could not be opened when this was written. The figures are what pages that quote them agree on,
16-bit peaks checked against multiprocessors times clock; a document that says otherwise is right.
"""

from .entries import DeviceSpec, devices, match
from .lookup import UnknownDevice, find

__all__ = ["DeviceSpec", "UnknownDevice", "devices", "find", "match"]

"""What the child finds in its environment: the guest on PYTHONPATH, where to record, and with what
options.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from .request import OptionValue

RUN_VARIABLE = "PERFKIT_GUEST_RUN"
OPTIONS_VARIABLE = "PERFKIT_GUEST_OPTIONS"
SCRATCH_VARIABLE = "PERFKIT_GUEST_SCRATCH"
PASSING_VARIABLE = "PERFKIT_GUEST_PASSING"
GUEST_PATH = Path(__file__).resolve().parent.parent / "inside" / "path"

# Set unless the user has: Kineto prints to stderr otherwise, and CUPTI left attached after a trace window
# keeps a launch-bound step 1.25-1.6 times slower than before it (both measured).
DEFAULTS = {"KINETO_LOG_LEVEL": "99", "TEARDOWN_CUPTI": "1"}


def child_environment(
    environ: Mapping[str, str], run_dir: Path, options: Mapping[str, OptionValue], supervisor_pid: int
) -> dict[str, str]:
    """A copy of *environ* in which a Python process finds the guest."""
    made = {**DEFAULTS, **environ}
    before = environ.get("PYTHONPATH")
    made["PYTHONPATH"] = str(GUEST_PATH) + (os.pathsep + before if before else "")
    made[RUN_VARIABLE] = str(run_dir.absolute())
    made[OPTIONS_VARIABLE] = encode_options({**options, "launcher": supervisor_pid})
    return made


def encode_options(options: Mapping[str, OptionValue]) -> str:
    """``key=value;key=value``; options that are None are left out, flags are 0 or 1."""
    return ";".join(f"{key}={_encode(value)}" for key, value in options.items() if value is not None)


def _encode(value: OptionValue) -> str:
    text = str(int(value)) if isinstance(value, bool) else str(value)
    return text.replace("%", "%25").replace(";", "%3B").replace("=", "%3D")

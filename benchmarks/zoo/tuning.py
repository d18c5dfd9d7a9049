"""Runs `perfkit tune` as a person does and reads the document that it leaves: what the benchmarks of it share."""

import json
import subprocess
import sys
from pathlib import Path

from machine import RESULTS

from . import running

TIME_LIMIT_S = 1800
OF_A_TRIAL = ("label", "fix", "predicted", "estimate", "measured", "verdict", "reason")


def tuned(words, folder, *, environment, minutes=None, cores=2, cwd=None):
    """The document of `perfkit tune` with *words* (options, script, its arguments), its results in *folder*, started in *cwd*
    (else there). Raises ScriptFailedError where there is none.
    """
    said = Path(folder, "tune.json")
    limit = [] if minutes is None else ["--max-minutes", f"{minutes:g}"]
    command = [sys.executable, "-m", "perfkit", "tune", *limit, "--json", str(said), "--results-dir", str(folder)]
    done = subprocess.run(
        [*command, *words], capture_output=True, text=True, cwd=cwd or folder, stdin=subprocess.DEVNULL, env=environment,
        timeout=TIME_LIMIT_S, preexec_fn=running.on_cores(cores),
    )  # fmt: skip
    if not said.exists():
        raise running.ScriptFailedError(f"tune {' '.join(words)}: {done.stderr.strip()[-500:]}")
    return json.loads(said.read_text(encoding="utf-8"))


def patch(folder, script, diff):
    """Write tune's *diff* into *script*, a path below *folder*."""
    subprocess.run(["patch", "-s", str(script)], input=diff, text=True, cwd=folder, check=True)


def short(row, keys=OF_A_TRIAL):
    """The part of a trial's row that a result keeps."""
    return {key: row.get(key) for key in keys}


def stored(name, key, otherwise):
    """*key* of results/NAME.json as it was written last; *otherwise* where there is none."""
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8"))[key] if path.exists() else otherwise

"""Scripts run with fixes, in processes of their own, and what their recordings say of the fixes."""

import json

import pytest

from perfkit.launch.fixes import parse
from perfkit.runs.fixes import fixes


@pytest.fixture
def apply(record, tmp_path):
    """apply(script, *fixes as typed, **options) -> (Outcome, rows of the fixes by name).

    In a fork of a process that has torch, unless *fresh* or an environment of its own is asked for.
    """

    def go(script, *asked, no_trace=1, fresh=False, **options):
        run_dir = tmp_path / "run"
        run_dir.mkdir(exist_ok=True)
        rows = [{"name": fix.name, "parameters": dict(fix.parameters)} for fix in map(parse, asked)]
        if rows:
            (run_dir / "fixes.json").write_text(json.dumps(rows))
            options["fixes"] = 1
        outcome = record(script, no_trace=no_trace, fresh=fresh or "environment" in options, **options)
        return outcome, {row["name"]: row for row in fixes(outcome.run)}

    return go

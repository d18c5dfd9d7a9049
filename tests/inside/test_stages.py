"""Scripts of pandas and scikit-learn: their stages, seen from inside, and what the script notices of it: nothing."""

import json
import os
import subprocess
import sys

import pytest

from perfkit.analyze import stages
from perfkit.runs.reader import Run

pytestmark = pytest.mark.slow
pytest.importorskip("sklearn")

SCRIPT = """
import json, pickle, sys
import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

class Halved(TransformerMixin, BaseEstimator):
    def fit(self, X, y=None): return self
    def transform(self, X): return X[:, ::2]

X, y = load_digits(return_X_y=True)
model = make_pipeline(StandardScaler(), Halved(), RandomForestClassifier(10, random_state=0, n_jobs=2))
model.fit(X, y)
search = GridSearchCV(LogisticRegression(max_iter=20), {"C": [0.1, 1.0]}, cv=2).fit(X[:300] / 16, y[:300])
scaler = StandardScaler().fit(X)
for _ in range(3):
    scaler.transform(X)
try:
    Halved().transform(None)
except TypeError as error:
    raised = str(error)
again = clone(pickle.loads(pickle.dumps(model)))
print(json.dumps({
    "score": model.score(X, y), "C": search.best_params_["C"], "modules": [type(model).__module__, model.fit.__name__],
    "raised": raised, "parameters": sorted(again.get_params())[:3], "probability": model.predict_proba(X[:2]).tolist(),
    "has": [hasattr(model, "predict_proba"), hasattr(model, "decision_function")],
}))
"""


def run(tmp_path, words, environ=None):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    environ = {key: value for key, value in os.environ.items() if not key.startswith("PERFKIT_")} | {
        "OMP_NUM_THREADS": "1"
    }
    done = subprocess.run(
        [sys.executable, *words, str(script)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environ,
        timeout=240,
        check=True,
    )
    return done.stdout


def test_the_script_computes_what_it_computes_without_us_and_its_stages_are_told(tmp_path):
    plain = run(tmp_path, [])
    profile = [
        "-m",
        "perfkit.cli.main",
        "profile",
        "-q",
        "--results-dir",
        str(tmp_path / "results"),
        "--json",
        "out.json",
    ]
    assert run(tmp_path, profile) == plain
    (path,) = (tmp_path / "results" / "runs").iterdir()
    lines = stages.outermost(Run(path))
    names = [line["of"] for line in lines]
    assert names[:2] == ["sklearn.datasets.load_digits", "Pipeline.fit"]
    assert names.count("StandardScaler.transform") == 3
    assert [line["same"] for line in lines if line["of"] == "StandardScaler.transform"] == [0, 1, 2]
    (fitted,) = (line for line in lines if line["of"] == "Pipeline.fit")
    parts = {part["path"][-1]: part for part in fitted["parts"]}
    assert (parts["StandardScaler.fit_transform"]["rows"], parts["StandardScaler.fit_transform"]["columns"]) == (
        1797,
        64,
    )
    assert parts["RandomForestClassifier.fit"]["columns"] == 32
    assert parts["RandomForestClassifier.fit"]["n_jobs"] == 2
    (scored,) = (line for line in lines if line["of"] == "Pipeline.score")
    trees = next(part for part in scored["parts"] if part["path"][-1] == "DecisionTreeClassifier.predict_proba")
    assert trees["calls"] == 10  # in threads of their own
    (broken,) = (line for line in lines if line.get("raised"))
    assert (broken["of"], broken["raised"]) == ("Halved.transform", "TypeError")
    (searched,) = (line for line in lines if line["of"] == "GridSearchCV.fit")
    assert {part["path"][-1]: part["calls"] for part in searched["parts"]}[
        "LogisticRegression.fit"
    ] == 5  # 2 values × 2 folds, and the best
    assert "Pipeline.predict_proba" in names

    document = json.loads((tmp_path / "out.json").read_text())
    told = {row["name"]: row for row in document["stages"]}
    assert told["Pipeline.fit"]["calls"] == 1
    shares = {row["name"]: row["share"] for row in document["run_breakdown"]}
    assert {"imports", "fit", "loading data"} <= shares.keys()
    assert sum(shares.values()) == pytest.approx(1, abs=0.01)
    assert "scikit-learn" in document["unavailable"]["steps.median_s"]


TABLES = """
import time
import numpy as np, pandas as pd
pd.DataFrame({"a": np.arange(40_000.0), "b": 1.0}).to_csv("table.csv", index=False)
table = pd.read_csv("table.csv")
until = time.monotonic() + 4
while time.monotonic() < until:
    table["c"] = table.apply(lambda row: row["a"] * row["b"], axis=1)
"""


def test_a_table_gone_through_by_rows_is_found_with_its_line(tmp_path):
    pytest.importorskip("pandas")
    script = tmp_path / "features.py"
    script.write_text(TABLES)
    words = [
        "-m",
        "perfkit.cli.main",
        "profile",
        "-q",
        "--results-dir",
        str(tmp_path / "results"),
        "--json",
        "out.json",
        str(script),
    ]
    subprocess.run([sys.executable, *words], cwd=tmp_path, timeout=240, check=True, capture_output=True)
    document = json.loads((tmp_path / "out.json").read_text())
    assert "pandas.read_csv" in {row["name"] for row in document["stages"]}
    (found,) = (finding for finding in document["findings"] if finding["rule"] == "row_wise")
    assert "features.py:8" in found["evidence"]["at"]
    assert found["saves"]["high"] > 0.3


UNDONE = """
import sys
import sklearn.base
from sklearn.preprocessing import StandardScaler
before = {name: vars(StandardScaler).get(name) for name in ("fit", "transform")}
hook = vars(sklearn.base.BaseEstimator).get("__init_subclass__")
from perfkit.inside.probes import _sklearn
from perfkit.inside.stages import Stages
probe = _sklearn.Probe(Stages(sys.argv[1]))
probe.arm(sklearn.base)
class Own(StandardScaler):
    def fit(self, X, y=None): return self
assert hasattr(vars(Own)["fit"], "__wrapped__")
probe.undo()
assert not hasattr(vars(Own)["fit"], "__wrapped__")
assert vars(sklearn.base.BaseEstimator).get("__init_subclass__") is hook
assert before == {name: vars(StandardScaler).get(name) for name in before}
"""


@pytest.mark.slow
def test_what_was_wrapped_can_be_put_back(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", UNDONE, str(tmp_path)], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr

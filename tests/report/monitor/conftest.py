"""Monitored runs whose values are known: no randomness but a fixed generator's, no clock but the one that is given."""

import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from perfkit.model.monitoring import Alert, Event, Point, Status
from perfkit.monitor import record
from perfkit.report.monitor_document import compose
from perfkit.runs.reader import Run

START_NS = 1_767_225_600_000_000_000  # 2026-01-01T00:00:00Z
STEP_NS = 20_000_000
CARD = {
    "framework": {"name": "torch", "version": "2.13.0"}, "class": "train.MLP", "layers_total": 3,
    "layers": [
        {"name": "0", "class": "torch.nn.Linear", "parameters": 8320, "trainable": 8320, "shapes": [[128, 64], [128]], "dtype": "float32"},
        {"name": "1", "class": "torch.nn.ReLU", "parameters": 0, "trainable": 0, "shapes": [], "dtype": None},
        {"name": "2", "class": "torch.nn.Linear", "parameters": 1290, "trainable": 1290, "shapes": [[10, 128], [10]], "dtype": "float32"},
    ],
    "parameters": 9610, "trainable_parameters": 9610, "parameter_bytes": 38440, "dtypes": {"float32": 9610}, "devices": ["cpu"],
    "optimizer": {"class": "torch.optim.Adam", "learning_rate": 0.001, "settings": {"betas": [0.9, 0.999], "weight_decay": 0}},
    "data": {"class": "torch.utils.data.DataLoader", "batch_size": 32, "samples": 1437}, "file": None,
    "fingerprints": {"structure": "9f86d081884c7d65", "weights": "60303ae22b998861"},
}  # fmt: skip


@dataclass
class Writing:
    """Writes a record as the pipeline does, at times that are counted and not looked up."""

    path: Path
    writer: record.Writer = field(init=False)

    def __post_init__(self):
        self.path.mkdir(parents=True, exist_ok=True)
        self.writer = record.Writer(self.path)

    def at(self, step):
        return START_NS + step * STEP_NS

    def point(self, values, step, *, epoch=None, own_step=True, late_ns=0):
        time_ns = self.at(step) + late_ns
        self.writer.point(
            Point(values=values, time_ns=time_ns, monotonic_ns=time_ns, step=step if own_step else None, epoch=epoch)
        )

    def event(self, step, kind, severity, metric, message, *, advice="", source="test", **evidence):
        self.writer.write(
            Event(
                kind=kind, severity=severity, metric=metric, source=source, message=message, time_ns=self.at(step),
                monotonic_ns=self.at(step), step=step, evidence=evidence, advice=advice,
            )
        )  # fmt: skip

    def alert(self, step, state, rule, metric, *, since, severity="warning", message="", duration_s=0.0):
        self.writer.write(
            Alert(
                rule=rule, state=state, severity=severity, metric=metric, message=message, time_ns=self.at(step),
                since_ns=self.at(since), duration_s=duration_s,
            )
        )  # fmt: skip

    def status(self, step, state, *, reason="", epoch=None):
        now = self.at(step)
        self.writer.write(
            Status(state=state, time_ns=now, monotonic_ns=now, pid=4242, step=step, epoch=epoch, reason=reason)
        )

    def card(self, facts):
        self.writer.card(facts, time_ns=START_NS, monotonic_ns=START_NS)


def digits(path, *, steps=600, per_epoch=50):
    """Twelve epochs: the loss falls, spikes at step 260, is NaN from 400 to 419; steps are slow from 300 to 359; memory leaks."""
    made, rng = Writing(path), np.random.default_rng(7)
    made.card(CARD)
    made.status(0, "starting")
    for step in range(steps):
        epoch = step // per_epoch + 1
        loss = 2.2 * np.exp(-step / 110) + 0.04 + 0.05 * abs(rng.normal())
        loss = loss + 3.1 if 260 <= step < 263 else float("nan") if 400 <= step < 420 else loss
        slow = 2.6 if 300 <= step < 360 else 1.0
        step_s = 0.0042 * slow * (1 + 0.06 * abs(rng.normal()))
        values = {"train/loss": loss, "perf/step_time_s": step_s, "perf/samples_per_s": 32 / step_s}
        made.point(values, step, epoch=epoch)
        if step % 10 == 0:
            made.point({"system/host_memory_bytes": 4.1e8 + step * 9e4}, step, own_step=False)
        if step % per_epoch == per_epoch - 1:
            train = 1 - 0.75 * np.exp(-epoch / 2.1)
            val = 0.965 - 0.72 * np.exp(-epoch / 2.0) - 0.004 * max(0, epoch - 8)
            made.point(
                {"train/accuracy": train, "val/accuracy": val, "val/loss": 2 * np.exp(-epoch / 2.6) + 0.09 + 0.012 * max(0, epoch - 6)},
                step, epoch=epoch, own_step=False, late_ns=4_000_000,
            )  # fmt: skip
            made.event(step, "note", "info", "", f"epoch {epoch} ended", source="loop")
    made.event(
        260, "anomaly", "warning", "train/loss", "loss 3.36, 41 robust standard deviations above its window", source="robust_z",
        advice="look at the batch of this step; clip the gradient's norm if it comes again", score=41.2, threshold=6.0,
    )  # fmt: skip
    made.event(
        302, "degradation", "warning", "perf/step_time_s", "steps take 2.6 times as long since step 300", source="page_hinkley",
        advice="see what else runs on the machine: perfkit profile --trace-at 300 train.py", since_step=300, ratio=2.6,
    )  # fmt: skip
    made.event(361, "recovered", "info", "perf/step_time_s", "steps take 4.3 ms again", source="page_hinkley")
    made.event(
        400, "validity", "critical", "train/loss", "loss is NaN", source="validity",
        advice="lower the learning rate, or scale the loss if training in float16", value="nan",
    )  # fmt: skip
    made.event(
        560, "learning", "warning", "val/loss", "val/loss rises while train/loss falls, since epoch 7", source="overfitting",
        advice="stop here and keep the weights of epoch 6, or regularise",
    )  # fmt: skip
    made.alert(306, "pending", "slow-steps", "perf/step_time_s", since=300)
    made.alert(312, "firing", "slow-steps", "perf/step_time_s", since=300, message="step time above 8 ms for 6 steps")
    made.alert(
        366, "resolved", "slow-steps", "perf/step_time_s", since=300, message="step time is 4.3 ms", duration_s=1.08
    )
    made.alert(400, "firing", "loss-finite", "train/loss", since=400, severity="critical", message="train/loss is NaN")
    made.alert(
        421,
        "resolved",
        "loss-finite",
        "train/loss",
        since=400,
        severity="critical",
        message="train/loss is 0.09",
        duration_s=0.42,
    )
    made.alert(
        590, "firing", "memory-leak", "system/host_memory_bytes", since=480, message="memory grows 4.5 MB a second"
    )
    made.status(steps - 1, "finished", epoch=steps // per_epoch)
    made.writer.close()
    return path


@pytest.fixture
def writing():
    """``writing(path)``: a record to be written point by point."""
    return Writing


@pytest.fixture(scope="session")
def digits_run(tmp_path_factory):
    """The run that `digits` describes."""
    return digits(tmp_path_factory.mktemp("runs") / "20260101T000000Z-digits-a1b2c3")


@pytest.fixture(scope="session")
def digits_recorded(digits_run):
    return record.read(digits_run)


@pytest.fixture(scope="session")
def digits_document(digits_run, digits_recorded):
    return compose(Run(digits_run), digits_recorded)


CHROMIUM_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--disable-dev-shm-usage", "--hide-scrollbars",
)  # fmt: skip
#: Run before a page's own scripts: what a person would see as an error, and what the policy had to stop.
WITNESS = """
window.seen = {errors: [], violations: [], alerts: []};
addEventListener("error", (event) => seen.errors.push(String(event.message)), true);
addEventListener("unhandledrejection", (event) => seen.errors.push(String(event.reason)));
document.addEventListener("securitypolicyviolation", (event) => seen.violations.push(event.violatedDirective + " " + event.blockedURI));
window.alert = (text) => seen.alerts.push(String(text));
"""


class Browser:
    """Debian's chromium, headless, with a window of a size that each test sets."""

    def __init__(self, driver):
        self.driver = driver
        driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": WITNESS})

    def open(self, path, *, width=1280, height=900, theme="light"):
        self.driver.execute_cdp_cmd(
            "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": theme}]}
        )
        self.driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600},
        )
        self.driver.get(path.as_uri())
        self.frame()
        return self

    def js(self, script, *args):
        return self.driver.execute_script(script, *args)

    def all(self, css):
        return self.driver.find_elements("css selector", css)

    def one(self, css):
        return self.driver.find_element("css selector", css)

    def frame(self):
        """Wait until what was asked for has been drawn."""
        self.driver.execute_async_script(
            "const done = arguments[0]; requestAnimationFrame(() => requestAnimationFrame(done));"
        )

    def texts(self, css):
        return self.js("return Array.from(document.querySelectorAll(arguments[0]), (e) => e.textContent.trim())", css)

    def until(self, condition, seconds=5.0):
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, "it did not come about"
            time.sleep(0.02)

    def assert_clean(self):
        """No error in a script, nothing that the policy had to stop, nothing in the console."""
        assert self.js("return seen") == {"errors": [], "violations": [], "alerts": []}
        assert [entry for entry in self.driver.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")] == []


@pytest.fixture(scope="session")
def browser():
    """A browser, or a skip that says what is missing."""
    selenium = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    guide = shutil.which("chromedriver")
    if not program or not guide:
        pytest.skip("chromium and chromedriver are not installed (Debian: apt-get install chromium chromium-driver)")
    from selenium.webdriver.chrome.service import Service

    options = selenium.ChromeOptions()
    for flag in CHROMIUM_FLAGS:
        options.add_argument(flag)
    options.binary_location = program
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = selenium.Chrome(options=options, service=Service(guide))
    driver.set_script_timeout(20)
    yield Browser(driver)
    driver.quit()

"""Plants one cause of slowness into a script that imports this and calls ``after_step`` once in each step.

What and how much is read from planted.json beside it: {"plant", "severity" (added time, in steps), "step_s"}, and what cures it:
{"rarely": k} does it once in place of k times, {"workers": {...}} gives the first DataLoader those arguments. It is also the
trial's stopwatch: at the end the mean time of the later steps goes to planted-times.json. It knows nothing of perfkit.
"""

import atexit
import copy
import gc
import json
import logging
import sys
import time
import types
from pathlib import Path

import torch

HERE = Path(__file__).resolve().parent
PLAN = json.loads((HERE / "planted.json").read_text())
ADDED_S = PLAN["severity"] * PLAN["step_s"]
SETTLE = 0.25  # of the steps, at the beginning, are not timed
FIRST = 8  # the step at which a plant finds out what it costs
times = []
every = {}
captured = []


def without_tensorboard():
    """Some scripts write to TensorBoard, which need not be installed: a writer that writes nothing."""
    stub = types.ModuleType("torch.utils.tensorboard")
    stub.SummaryWriter = type("SummaryWriter", (), {
        "__init__": lambda self, *args, **kwargs: None,
        "__getattr__": lambda self, name: lambda *args, **kwargs: None,
    })  # fmt: skip
    sys.modules["torch.utils.tensorboard"] = stub


def spin(seconds):
    end = time.perf_counter() + seconds
    value = 0
    while time.perf_counter() < end:
        for n in range(200):
            value = (value * 31 + n) & 0xFFFF
    return value


# --- in the loader


def slow_read(seconds):
    """Each item waits for storage."""
    from torch.utils.data._utils.fetch import _MapDatasetFetcher

    class SlowStorage:
        def __init__(self, dataset):
            self.dataset = dataset

        def __len__(self):
            return len(self.dataset)

        def __getitem__(self, index):
            time.sleep(seconds / PLAN["batch"])
            return self.dataset[index]

    _wrap_dataset(_MapDatasetFetcher, SlowStorage)


def slow_decode(seconds):
    """Each item is computed."""
    from torch.utils.data._utils.fetch import _MapDatasetFetcher

    class Decoded:
        def __init__(self, dataset):
            self.dataset = dataset

        def __len__(self):
            return len(self.dataset)

        def __getitem__(self, index):
            spin(seconds / PLAN["batch"])
            return self.dataset[index]

    _wrap_dataset(_MapDatasetFetcher, Decoded)


def _wrap_dataset(fetcher, wrapper):
    made = fetcher.__init__

    def __init__(self, dataset, *args, **kwargs):
        made(self, wrapper(dataset), *args, **kwargs)

    fetcher.__init__ = __init__


def slow_collate(seconds):
    """Each batch is put together slowly."""
    from torch.utils.data import DataLoader
    from torch.utils.data.dataloader import default_collate

    def collate_with_care(samples):
        spin(seconds)
        return default_collate(samples)

    made = DataLoader.__init__

    def __init__(self, *args, **kwargs):
        kwargs["collate_fn"] = collate_with_care
        made(self, *args, **kwargs)

    DataLoader.__init__ = __init__


def with_workers(arguments):
    """The first DataLoader that is made, which in all our scripts is the training's, gets *arguments*."""
    from torch.utils.data import DataLoader

    made = DataLoader.__init__

    def __init__(self, *args, **kwargs):
        DataLoader.__init__ = made
        made(self, *args, **(kwargs | arguments))

    DataLoader.__init__ = __init__


# --- at the start of the script


def threads(_seconds):
    torch.set_num_threads(PLAN["threads"])


def anomaly(_seconds):
    torch.autograd.set_detect_anomaly(True)


def float64(_seconds):
    torch.set_default_dtype(torch.float64)


# --- after each step


def collect(_model, _optimizer, _inputs):
    gc.collect()


def save(model, optimizer, _inputs):
    torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, HERE / "planted.pt")


def log(model, _optimizer, _inputs):
    logger = logging.getLogger("training")
    if not logger.handlers:
        logger.addHandler(logging.FileHandler(HERE / "planted.log"))
        logger.propagate = False
        logger.setLevel(logging.INFO)
    for name, parameter in model.named_parameters():
        values = torch.histc(parameter.detach().float(), 32).tolist()
        logger.info("%s", json.dumps({"name": name, "histogram": values, "mean": parameter.mean().item()}))


def evaluate(model, _optimizer, inputs):
    model.eval()
    with torch.no_grad():
        for _ in range(PLAN["evaluations"]):
            model(*inputs)
    model.train()


def moving_average(model, _optimizer, _inputs):
    """An average of the weights, parameter by parameter; several, for severity."""
    if not captured:
        captured.append(copy.deepcopy(model).requires_grad_(False))
    for ours, theirs in zip(captured[0].parameters(), model.parameters(), strict=True):
        ours.data = 0.99 * ours.data + 0.01 * theirs.data


def moving_average_at_once(model, _optimizer, _inputs):
    """The same average by one call for all parameters."""
    if not captured:
        captured.append(copy.deepcopy(model).requires_grad_(False))
    with torch.no_grad():
        torch._foreach_lerp_(list(captured[0].parameters()), list(model.parameters()), 0.01)


AT_START = {"slow_read": slow_read, "slow_decode": slow_decode, "slow_collate": slow_collate, "threads": threads,
            "anomaly": anomaly, "float64": float64}  # fmt: skip
AFTER_STEP = {
    "collect": collect,
    "save": save,
    "log": log,
    "evaluate": evaluate,
    "moving_average": moving_average,
    "moving_average_at_once": moving_average_at_once,
}


def after_step(model, optimizer, *inputs):
    """Called once in each step: takes the time, and does what is planted there."""
    times.append(time.perf_counter())
    work = AFTER_STEP.get(PLAN["plant"])
    if work is None:
        return
    inputs = tuple(_detached(value) for value in inputs)
    if len(times) == FIRST:
        work(model, optimizer, inputs)
        begin = time.perf_counter()
        work(model, optimizer, inputs)
        steps = PLAN.get("every") or max(1, round((time.perf_counter() - begin) / ADDED_S))
        every["steps"] = steps * PLAN.get("rarely", 1)
    elif len(times) > FIRST and len(times) % every["steps"] == 0:
        work(model, optimizer, inputs)


def _detached(value):
    if isinstance(value, (tuple, list)):
        return tuple(_detached(part) for part in value)
    return value.detach()


def _report():
    timed = times[int(len(times) * SETTLE) :]
    (HERE / "planted-times.json").write_text(json.dumps({
        "steps": len(times), "seconds_per_step": (timed[-1] - timed[0]) / (len(timed) - 1), "every": every.get("steps"),
    }))  # fmt: skip


without_tensorboard()
if PLAN["plant"] in AT_START:
    AT_START[PLAN["plant"]](ADDED_S)
if "workers" in PLAN:
    with_workers(PLAN["workers"])
atexit.register(_report)

"""Makes a monitored run for pictures and by hand: a small network really trained on scikit-learn's digits, with planted troubles.

    python tests/report/monitor/make_digits_run.py FOLDER

Needs torch and scikit-learn. Planted: a step-time slow-down (a sleep, steps 420-520), one batch with labels permuted and a learning rate
a hundredfold (step 640), and three steps whose recorded loss is NaN. Events and alerts are written as detectors would.
"""

import json
import sys
import time
from pathlib import Path

import psutil
import torch
from sklearn.datasets import load_digits
from sklearn.metrics import f1_score

from perfkit.model.monitoring import Alert, Event, Status
from perfkit.monitor.card import card
from perfkit.monitor.pipeline import Pipeline

EPOCHS, BATCH, RATE = 20, 32, 0.05
SLOW, SPIKE, NAN = range(420, 520), 640, range(760, 763)


def main(folder):
    torch.manual_seed(0)
    torch.set_num_threads(1)
    run = Path(folder)
    run.mkdir(parents=True, exist_ok=True)
    pipeline = Pipeline(run)
    x, y = load_digits(return_X_y=True)
    x, y = torch.tensor(x, dtype=torch.float32) / 16, torch.tensor(y)
    order = torch.randperm(len(x))
    train, val = order[:1347], order[1347:]
    model = torch.nn.Sequential(
        torch.nn.Linear(64, 96), torch.nn.ReLU(), torch.nn.Dropout(0.2), torch.nn.Linear(96, 10)
    )
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE, momentum=0.9)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS)
    process = psutil.Process()
    facts = card(
        model, optimizer=optimizer, data={"batch_size": BATCH, "train_samples": len(train), "val_samples": len(val)}
    )
    pipeline.writer.card(facts, time_ns=time.time_ns(), monotonic_ns=time.monotonic_ns())
    status(pipeline, "running", 0, 1)
    step = 0
    for epoch in range(1, EPOCHS + 1):
        model.train()
        for batch in train[torch.randperm(len(train))].split(BATCH):
            began = time.perf_counter()
            if step in SLOW:
                time.sleep(0.004)
            inputs, targets = x[batch], y[batch]
            rate = optimizer.param_groups[0]["lr"]
            if step == SPIKE:
                targets = targets[torch.randperm(len(targets))]
                optimizer.param_groups[0]["lr"] = 100 * rate
            output = model(inputs)
            loss = torch.nn.functional.cross_entropy(output, targets)
            optimizer.zero_grad()
            loss.backward()
            norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 1e9)
            optimizer.step()
            if step == SPIKE:
                optimizer.param_groups[0]["lr"] = rate
            taken = time.perf_counter() - began
            values = {
                "loss": float("nan") if step in NAN else loss.item(), "grad_norm": norm.item(), "lr": rate, "step_time_s": taken,
                "samples_per_s": len(batch) / taken,
            }  # fmt: skip
            if step % 10 == 0:
                values["host_memory_bytes"] = process.memory_info().rss
            pipeline.values(values, step=step, epoch=epoch)
            troubles(pipeline, step, epoch)
            step += 1
        for split, rows in (("train_eval", train), ("val", val)):
            pipeline.values(evaluated(model, x[rows], y[rows]), split=split, epoch=epoch)
        schedule.step()
        happened(pipeline, "note", "info", "", step - 1, epoch, f"epoch {epoch} ended", "loop")
    status(pipeline, "finished", step - 1, EPOCHS)
    pipeline.close()
    print(json.dumps({"steps": step, "run": str(run)}))


def evaluated(model, inputs, targets):
    model.eval()
    with torch.no_grad():
        output = model(inputs)
        guess = output.argmax(1)
    return {
        "loss": torch.nn.functional.cross_entropy(output, targets).item(),
        "accuracy": (guess == targets).float().mean().item(),
        "f1": f1_score(targets, guess, average="macro"),
    }


def happened(pipeline, kind, severity, metric, step, epoch, message, source, advice="", **evidence):
    pipeline.event(
        Event(
            kind=kind, severity=severity, metric=metric, source=source, message=message, time_ns=time.time_ns(),
            monotonic_ns=time.monotonic_ns(), step=step, epoch=epoch, evidence=evidence, advice=advice,
        )
    )  # fmt: skip


def told(pipeline, rule, state, severity, metric, message, since_ns, duration_s=0.0):
    pipeline.writer.write(
        Alert(
            rule=rule, state=state, severity=severity, metric=metric, message=message, time_ns=time.time_ns(), since_ns=since_ns,
            duration_s=duration_s,
        )
    )  # fmt: skip


def status(pipeline, state, step, epoch):
    pipeline.status(
        Status(state=state, time_ns=time.time_ns(), monotonic_ns=time.monotonic_ns(), step=step, epoch=epoch)
    )


since = {}


def troubles(pipeline, step, epoch):
    now = time.time_ns()
    if step == SLOW.start + 2:
        since["slow"] = now
        happened(
            pipeline, "degradation", "warning", "perf/step_time_s", step, epoch, "steps take longer than expected since step 420",
            "expected_step_time", advice="see where the step's time goes: perfkit profile train.py", since_step=420,
        )  # fmt: skip
        told(pipeline, "slow-steps", "firing", "warning", "perf/step_time_s", "step time above 3 ms", now)
    elif step == SLOW.stop + 2:
        happened(
            pipeline,
            "recovered",
            "info",
            "perf/step_time_s",
            step,
            epoch,
            "steps are as fast as before",
            "expected_step_time",
        )
        told(
            pipeline, "slow-steps", "resolved", "warning", "perf/step_time_s", "step time is back", since["slow"],
            (now - since["slow"]) / 1e9,
        )  # fmt: skip
    elif step == SPIKE + 1:
        happened(
            pipeline, "anomaly", "warning", "train/loss", step, epoch, "the loss is far above its window", "robust_z",
            advice="look at the batch and the learning rate of this step; clip the gradient's norm if it comes again",
        )  # fmt: skip
    elif step == NAN.start:
        since["nan"] = now
        happened(
            pipeline, "validity", "critical", "train/loss", step, epoch, "train/loss is NaN", "validity",
            advice="lower the learning rate, or scale the loss if it is computed in float16",
        )  # fmt: skip
        told(pipeline, "loss-finite", "firing", "critical", "train/loss", "train/loss is NaN", now)
    elif step == NAN.stop:
        told(
            pipeline, "loss-finite", "resolved", "critical", "train/loss", "train/loss is finite", since["nan"],
            (now - since["nan"]) / 1e9,
        )  # fmt: skip


if __name__ == "__main__":
    main(sys.argv[1])

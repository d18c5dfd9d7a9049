"""Trains a small network on scikit-learn's digits under `ModelMonitor`, with a fault of your choice, and prints what was found.

python examples/monitor_torch.py --fault nan|overfit|slow|none
"""

import argparse
import time

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from perfkit.monitor import ModelMonitor


def digits(train_samples):
    """Training and validation data; with few samples to learn from, a network learns them by heart."""
    x, y = load_digits(return_X_y=True)
    x, y = torch.tensor(x / 16, dtype=torch.float32), torch.tensor(y)
    order = torch.randperm(len(x))
    train, held = order[:train_samples], order[-400:]
    return TensorDataset(x[train], y[train]), TensorDataset(x[held], y[held])


class Fault:
    """What goes wrong, and when."""

    def __init__(self, kind):
        self.kind, self.steps = kind, 0

    def __call__(self, loss):
        self.steps += 1
        if self.kind == "slow" and self.steps > 300:
            time.sleep(0.02)  # as if a neighbour had taken the processor
        if self.kind == "nan" and self.steps > 300:
            return loss * float("nan")
        return loss


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fault", choices=["nan", "overfit", "slow", "none"], default="none")
    fault = Fault(parser.parse_args().fault)
    torch.manual_seed(0)
    overfits = fault.kind == "overfit"
    train, held = digits(60 if overfits else 1300)
    model = nn.Sequential(nn.Linear(64, 256 if overfits else 32), nn.ReLU(), nn.Linear(256 if overfits else 32, 10))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.003 if overfits else 0.001)

    def step(model, batch):
        x, y = batch
        logits = model(x)
        loss = functional.cross_entropy(logits, y)
        return {"loss": fault(loss) if model.training else loss, "y_true": y, "y_pred": logits}

    monitor = ModelMonitor(model, alerts="default")
    monitor.fit(
        step, DataLoader(train, batch_size=16 if overfits else 32, shuffle=True), epochs=60 if overfits else 16, optimizer=optimizer,
        validation=DataLoader(held, batch_size=100),
    )  # fmt: skip

    told = [event for event in monitor.history.events if event.severity != "info"]
    print(f"fault: {fault.kind}; found: {len(told)}; val/f1 {monitor.history.last('val/f1'):.3f}")
    for event in told:
        print(f"  {event.severity} at step {event.step}: {event.message}")
        if event.advice:
            print(f"    {event.advice}")


if __name__ == "__main__":
    main()

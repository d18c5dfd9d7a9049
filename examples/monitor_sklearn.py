"""Trains scikit-learn's MLPClassifier on its digits under `ModelMonitor`, with a fault of your choice, and prints what was found.

python examples/monitor_sklearn.py --fault nan|overfit|slow|none
"""

import argparse
import time

from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

from perfkit.monitor import ModelMonitor


class Faulty(MLPClassifier):
    """What goes wrong, and when: in each way that a person's own estimator or data may."""

    fault = "none"
    calls = 0

    def partial_fit(self, X, y, classes=None):  # noqa: N803 - scikit-learn's own name
        self.calls += 1
        if self.fault == "slow":  # as if each epoch waited for a disk, and then for one that others use too
            time.sleep(0.02 if self.calls <= 150 else 0.3)
        return super().partial_fit(X, y, classes=classes)

    def predict_proba(self, X):  # noqa: N803
        found = super().predict_proba(X)
        return found * float("nan") if self.fault == "nan" and self.calls > 20 else found


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fault", choices=["nan", "overfit", "slow", "none"], default="none")
    Faulty.fault = fault = parser.parse_args().fault
    x, y = load_digits(return_X_y=True)
    x, held_x, y, held_y = train_test_split(x / 16, y, test_size=400, random_state=0)
    if fault == "overfit":  # with few samples to learn from, a network learns them by heart
        x, y = x[:60], y[:60]
    model = Faulty(
        (256 if fault == "overfit" else 16,), learning_rate_init=0.01 if fault == "overfit" else 0.001, random_state=0
    )
    monitor = ModelMonitor(model, alerts="default")
    epochs = {"slow": 180, "overfit": 80}.get(fault, 40)
    monitor.fit(x, y, validation_data=(held_x, held_y), epochs=epochs)

    told = [event for event in monitor.history.events if event.severity != "info"]
    print(f"fault: {fault}; found: {len(told)}; val/f1 {monitor.history.last('val/f1'):.3f}")
    for event in told:
        print(f"  {event.severity} at step {event.step}: {event.message}")
        if event.advice:
            print(f"    {event.advice}")


if __name__ == "__main__":
    main()

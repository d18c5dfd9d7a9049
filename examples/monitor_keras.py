"""Trains a small Keras network on scikit-learn's digits under `ModelMonitor`, with a fault of your choice, and prints what was found.

python examples/monitor_keras.py --fault nan|overfit|slow|none
"""

import argparse
import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from perfkit.monitor import ModelMonitor


class Fault(keras.callbacks.Callback):
    """What goes wrong, and when."""

    def __init__(self, kind):
        super().__init__()
        self.kind, self.steps = kind, 0

    def on_train_batch_begin(self, batch, logs=None):
        self.steps += 1
        if self.kind == "slow" and self.steps > 300:
            time.sleep(0.03)  # as if a neighbour had taken the processor
        if self.kind == "nan" and self.steps == 300:
            self.model.optimizer.learning_rate = float("inf")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fault", choices=["nan", "overfit", "slow", "none"], default="none")
    fault = parser.parse_args().fault
    keras.utils.set_random_seed(0)
    overfits = fault == "overfit"
    x, y = load_digits(return_X_y=True)
    x, held_x, y, held_y = train_test_split(x / 16, y, test_size=400, random_state=0)
    if overfits:  # with few samples to learn from, a network learns them by heart
        x, y = x[:60], y[:60]
    layers = [
        keras.Input((64,)),
        keras.layers.Dense(256 if overfits else 32, activation="relu"),
        keras.layers.Dense(10, activation="softmax"),
    ]
    model = keras.Sequential(layers)
    optimizer = keras.optimizers.Adam(0.005 if overfits else 0.001)
    model.compile(optimizer=optimizer, loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    monitor = ModelMonitor(model, alerts="default")
    monitor.fit(
        x, y, batch_size=16 if overfits else 32, epochs=34 if overfits else 10, validation_data=(held_x, held_y), verbose=0,
        callbacks=[Fault(fault)],
    )  # fmt: skip

    told = [event for event in monitor.history.events if event.severity != "info"]
    print(f"fault: {fault}; found: {len(told)}; val/f1 {monitor.history.last('val/f1'):.3f}")
    for event in told:
        print(f"  {event.severity} at step {event.step}: {event.message}")
        if event.advice:
            print(f"    {event.advice}")


if __name__ == "__main__":
    main()

"""Keras on pictures that a PyDataset draws in Python, one after the other."""

import time

import keras
import numpy as np

BATCH, BATCHES = 32, 150
SAMPLES = BATCH * BATCHES


class Discs(keras.utils.PyDataset):
    """Discs and rings, rendered sample by sample."""

    def __init__(self, **settings):
        super().__init__(**settings)
        self.grid = np.linspace(-1, 1, 28)

    def __len__(self):
        return BATCHES

    def __getitem__(self, index):
        chance = np.random.default_rng(index)
        labels = chance.integers(0, 2, BATCH)
        return np.stack([self.draw(chance, label) for label in labels]), labels

    def draw(self, chance, ring):
        x, y, radius = chance.uniform(-0.3, 0.3), chance.uniform(-0.3, 0.3), chance.uniform(0.3, 0.6)
        picture = np.zeros((28, 28, 1), dtype="float32")
        for row, v in enumerate(self.grid):
            distance = np.hypot(self.grid - x, v - y)
            inside = (distance < radius) & ((distance > radius - 0.15) if ring else True)
            picture[row, :, 0] = inside
        return picture + chance.normal(0, 0.2, picture.shape).astype("float32")


class Rate(keras.callbacks.Callback):
    """Prints how fast each epoch was."""

    def on_epoch_begin(self, epoch, logs=None):
        self.start = time.time()

    def on_epoch_end(self, epoch, logs=None):
        rate = SAMPLES / (time.time() - self.start)
        print(f"epoch {epoch}: loss {logs['loss']:.3f}, {rate:.1f} samples/s", flush=True)


model = keras.Sequential(
    [
        keras.Input((28, 28, 1)),
        keras.layers.Flatten(),
        keras.layers.Dense(64, activation="relu"),
        keras.layers.Dense(2),
    ]
)
model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
model.fit(Discs(), epochs=4, verbose=0, callbacks=[Rate()])

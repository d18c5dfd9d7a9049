"""A small Keras network that is given four samples at a time."""

import time

import keras
import numpy as np

SAMPLES = 6000
chance = np.random.default_rng(1)
x = chance.normal(size=(SAMPLES, 40)).astype("float32")
y = (x[:, :10].sum(1) > 0).astype("float32")


class Rate(keras.callbacks.Callback):
    """Prints how fast each epoch was."""

    def on_epoch_begin(self, epoch, logs=None):
        self.start = time.time()

    def on_epoch_end(self, epoch, logs=None):
        rate = SAMPLES / (time.time() - self.start)
        print(f"epoch {epoch}: loss {logs['loss']:.3f}, {rate:.1f} samples/s", flush=True)


model = keras.Sequential(
    [
        keras.Input((40,)),
        keras.layers.Dense(64, activation="relu"),
        keras.layers.Dense(64, activation="relu"),
        keras.layers.Dense(1),
    ]
)
model.compile(keras.optimizers.Adam(1e-3), keras.losses.BinaryCrossentropy(from_logits=True))
model.fit(x, y, batch_size=4, epochs=6, verbose=0, callbacks=[Rate()])

"""A Keras classifier whose every epoch is followed by an examination larger than itself."""

import time

import keras
import numpy as np

SAMPLES = 4096
chance = np.random.default_rng(5)
x = chance.normal(size=(5 * SAMPLES, 128)).astype("float32")
y = (x[:, :20].sum(1) > 0).astype("float32")


class Rate(keras.callbacks.Callback):
    """Prints how fast each epoch was."""

    def on_epoch_begin(self, epoch, logs=None):
        self.start = time.time()

    def on_epoch_end(self, epoch, logs=None):
        rate = SAMPLES / (time.time() - self.start)
        print(f"epoch {epoch}: loss {logs['loss']:.3f}, {rate:.1f} samples/s", flush=True)


model = keras.Sequential(
    [
        keras.Input((128,)),
        keras.layers.Dense(256, activation="relu"),
        keras.layers.Dense(256, activation="relu"),
        keras.layers.Dense(1),
    ]
)
model.compile("adam", keras.losses.BinaryCrossentropy(from_logits=True))
model.fit(
    x[:SAMPLES],
    y[:SAMPLES],
    batch_size=64,
    epochs=8,
    verbose=0,
    callbacks=[Rate()],
    validation_data=(x[SAMPLES:], y[SAMPLES:]),
    validation_freq=1,
)

"""A Keras LSTM on sequences of one length, all of it in memory, with nothing to mend."""

import time

import keras
import numpy as np

SAMPLES = 2048
chance = np.random.default_rng(8)
x = chance.normal(size=(SAMPLES, 40, 24)).astype("float32")
y = (x[:, :, 0].sum(1) > 0).astype("float32")


class Rate(keras.callbacks.Callback):
    """Prints how fast each epoch was."""

    def on_epoch_begin(self, epoch, logs=None):
        self.start = time.time()

    def on_epoch_end(self, epoch, logs=None):
        rate = SAMPLES / (time.time() - self.start)
        print(f"epoch {epoch}: loss {logs['loss']:.3f}, {rate:.1f} samples/s", flush=True)


model = keras.Sequential(
    [keras.Input((40, 24)), keras.layers.LSTM(96), keras.layers.Dense(32, activation="relu"), keras.layers.Dense(1)]
)
model.compile("adam", keras.losses.BinaryCrossentropy(from_logits=True))
model.fit(x, y, batch_size=64, epochs=6, verbose=0, callbacks=[Rate()])

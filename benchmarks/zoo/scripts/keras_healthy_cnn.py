"""A Keras CNN with nothing to mend: batches of a fair size from a cached, prefetched pipeline."""

import time

import keras
import numpy as np
import tensorflow as tf

SAMPLES, BATCH = 1536, 64
chance = np.random.default_rng(7)
x = chance.normal(size=(SAMPLES, 24, 24, 8)).astype("float32")
y = (x.mean((1, 2, 3)) > 0).astype("int32")
data = tf.data.Dataset.from_tensor_slices((x, y)).cache().shuffle(SAMPLES).batch(BATCH).prefetch(tf.data.AUTOTUNE)


class Rate(keras.callbacks.Callback):
    """Prints how fast each epoch was."""

    def on_epoch_begin(self, epoch, logs=None):
        self.start = time.time()

    def on_epoch_end(self, epoch, logs=None):
        rate = SAMPLES / (time.time() - self.start)
        print(f"epoch {epoch}: loss {logs['loss']:.3f}, {rate:.1f} samples/s", flush=True)


model = keras.Sequential(
    [
        keras.Input((24, 24, 8)),
        keras.layers.Conv2D(32, 3, activation="relu"),
        keras.layers.Conv2D(64, 3, strides=2, activation="relu"),
        keras.layers.Conv2D(64, 3, activation="relu"),
        keras.layers.GlobalAveragePooling2D(),
        keras.layers.Dense(2),
    ]
)
model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
model.fit(data, epochs=6, verbose=0, callbacks=[Rate()])

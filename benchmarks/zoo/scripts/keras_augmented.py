"""Keras on pictures that tf.data augments one at a time, while the model waits."""

import time

import keras
import numpy as np
import tensorflow as tf

SAMPLES, BATCH = 1024, 32
chance = np.random.default_rng(0)
pictures = chance.integers(0, 256, (SAMPLES, 64, 64, 3), dtype=np.uint8)
labels = (pictures.mean((1, 2, 3)) > 127.5).astype("int32")


def augmented(picture, label):
    picture = tf.cast(picture, tf.float32) / 255
    picture = tf.image.resize(picture, (160, 160), method="bicubic")
    picture = tf.image.random_crop(picture, (128, 128, 3))
    picture = tf.image.random_contrast(tf.image.random_flip_left_right(picture), 0.8, 1.2)
    return tf.image.resize(picture, (32, 32), method="area"), label


data = tf.data.Dataset.from_tensor_slices((pictures, labels)).shuffle(SAMPLES)
data = data.map(augmented).batch(BATCH)


class Rate(keras.callbacks.Callback):
    """Prints how fast each epoch was."""

    def on_epoch_begin(self, epoch, logs=None):
        self.start = time.time()

    def on_epoch_end(self, epoch, logs=None):
        rate = SAMPLES / (time.time() - self.start)
        print(f"epoch {epoch}: loss {logs['loss']:.3f}, {rate:.1f} samples/s", flush=True)


model = keras.Sequential(
    [
        keras.Input((32, 32, 3)),
        keras.layers.Conv2D(16, 3, activation="relu"),
        keras.layers.Conv2D(32, 3, strides=2, activation="relu"),
        keras.layers.GlobalAveragePooling2D(),
        keras.layers.Dense(2),
    ]
)
model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
model.fit(data, epochs=6, verbose=0, callbacks=[Rate()])

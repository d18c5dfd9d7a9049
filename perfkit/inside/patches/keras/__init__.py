"""Fixes for Keras and TensorFlow, one file each."""

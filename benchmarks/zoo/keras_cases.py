"""The zoo's Keras scripts, as `cases` has the torch ones. They run on TensorFlow; what of them is scored follows the rules that judge it."""

from .cases import Case

KERAS_CASES = (
    Case(
        script="keras_rendered.py", cause="input", rules=("input_pipeline",), cores=2, threads=1,
        cure=(("model.fit(Discs(), ", "model.fit(Discs(workers=2, use_multiprocessing=True), "),),
    ),
    Case(script="keras_debugged.py", cause="python", rules=("run_eagerly",), cure=((", run_eagerly=True", ""),), threads=1),
    Case(script="keras_sips.py", cause="batch", rules=("fit_batch_size", "steps_per_execution"), cure=(("batch_size=4", "batch_size=64"),), cure_of="fit_batch_size", threads=1),
    Case(script="keras_tabular.py", cause="launch", rules=("steps_per_execution",), cure=(('"mse")', '"mse", steps_per_execution=32)'),), threads=1),
    # What is traced anew at an even pace. (Sentences of ever other lengths are traced less and less, and what a cure gives then depends on the
    # epochs that one counts.)
    Case(
        script="keras_annealed.py", cause="compile", rules=("recompile",), threads=1,
        cure=(("tf.constant(labels), weight)", "tf.constant(labels), tf.constant(weight, tf.float32))"),),
    ),
    Case(script="keras_exact.py", cause="precision", rules=("floatx",), cure=(('keras.config.set_floatx("float64")\n', ""),), threads=1),
    Case(
        script="keras_examined.py", cause="evaluation", rules=("evaluation",), cure=(("validation_freq=1", "validation_freq=8"),),
        threads=1,
    ),
    Case(
        script="keras_cautious.py", cause="checkpoint", rules=("checkpoint",), cure=(("save_freq=10", 'save_freq="epoch"'),), threads=1,
    ),
    Case(script="keras_healthy_cnn.py", cause="none", threads=1),
    Case(script="keras_healthy_lstm.py", cause="none", threads=1),
)  # fmt: skip

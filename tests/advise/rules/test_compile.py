"""The compile rule: small kernels of a busy device that one kernel could do."""

import pytest

BUSY = {"bf16": 0.06, "elementwise": 0.04}


def test_it_speaks_where_elementwise_kernels_take_the_time(ask, gpu_step):
    said = ask("compile", **gpu_step(BUSY, {}))
    assert said.saves.low == pytest.approx(0.4 * (1 - 1 / 3.5)) and said.saves.high == pytest.approx(0.4 * (1 - 1 / 8))


def test_odd_products_add_to_the_high_end(ask, gpu_step):
    even, odd = (ask("compile", **gpu_step({name: 0.06, "elementwise": 0.04}, {})) for name in ("bf16", "odd bf16"))
    assert odd.saves.high > even.saves.high + 0.3 and odd.saves.low == pytest.approx(even.saves.low)


def test_compiled_kernels_show_that_the_cure_is_applied(ask, gpu_step):
    assert ask("compile", **gpu_step({**BUSY, "triton": 0.04}, {})) is None


def test_of_tensorflow_xla_is_the_cure_and_jax_has_it(ask, gpu_step):
    said = ask("compile", **gpu_step(BUSY, {}), framework="tensorflow", compiled_model={"jit_compile": False})
    assert (said.how, said.fix.name, said.confidence) == ("model.compile(..., jit_compile=True)", "jit-compile", "low")
    loop = ask("compile", **gpu_step(BUSY, {}), framework="tensorflow")
    assert (loop.how, loop.fix) == ("@tf.function(jit_compile=True)", None)
    compiled = ask("compile", **gpu_step(BUSY, {}), framework="tensorflow", compiled_model={"jit_compile": True})
    assert compiled is None
    assert ask("compile", **gpu_step(BUSY, {}), framework="jax") is None


def test_a_compiled_model_is_the_cure_applied(ask, gpu_step):
    assert ask("compile", **gpu_step(BUSY, {}), model={"compiled": True}) is None


def test_not_for_a_step_that_waits_for_its_launches(ask, gpu_step):
    """Measured: compiling made 13.0 ms of the 10.0 of an MLP of tiny kernels."""
    assert ask("compile", **gpu_step({"fp32": 0.005, "elementwise": 0.005}, {"launch": 0.09})) is None


def test_not_where_products_take_the_time(ask, gpu_step):
    assert ask("compile", **gpu_step({"bf16": 0.09, "elementwise": 0.01}, {})) is None


def test_launching_bounds_the_gain(ask, gpu_step):
    said = ask("compile", **gpu_step(BUSY, {}, launching=0.1))
    assert said.saves.low == pytest.approx(0.4 * (1 - 1 / 3.5)) and said.saves.high == pytest.approx(0.35)

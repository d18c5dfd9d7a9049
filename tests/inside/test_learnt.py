"""What the guest learns around the steps: pauses, compilations, settings in force, and what models are made of."""

import pytest

from perfkit.advise.evidence import Evidence

pytestmark = pytest.mark.slow

TRAIN = """
model = net(); opt = torch.optim.AdamW(model.parameters())
def step(x, y):
    opt.zero_grad(); loss = lossf(model(x), y); loss.backward(); opt.step()
batches = [(torch.randn(32, 16), torch.randint(0, 4, (32,))) for _ in range(60)]
"""


@pytest.fixture(autouse=True)
def raise_faults(monkeypatch):
    monkeypatch.setenv("PERFKIT_DEBUG", "1")


@pytest.fixture
def learn(record):
    """learn(script) -> Evidence of its run; the script follows TRAIN."""
    from textwrap import dedent

    return lambda script, **options: Evidence(record(TRAIN + dedent(script), no_trace=1, **options).run)


def test_collections_that_the_script_asks_for(learn, tmp_path):
    found = learn("""
        import gc
        many = [[n] for n in range(100_000)]
        for n, (x, y) in enumerate(batches):
            step(x, y)
            if n % 5 == 4:
                gc.collect()
    """).pauses
    assert found["explicit"]
    assert found["steps_between"] == 5
    assert found["generation2"] == found["collections"] >= 3
    assert found["seconds_per_step"] > 0.0002
    (where,) = found["called_from"]
    name, line = where.rsplit(":", 1)
    assert name.endswith("/script.py")
    assert (tmp_path / "script.py").read_text().splitlines()[int(line) - 1].strip() == "gc.collect()"


def test_collections_that_an_installed_package_asks_for(learn, tmp_path):
    package = tmp_path / "site-packages" / "tidy.py"
    package.parent.mkdir()
    package.write_text("import gc\ndef tidy(): gc.collect()\n")
    found = learn("""
        sys.path.insert(0, "site-packages"); import tidy
        many = [[n] for n in range(100_000)]
        for n, (x, y) in enumerate(batches):
            step(x, y)
            if n % 5 == 4:
                tidy.tidy()
    """).pauses
    assert found["generation2"] >= 3
    assert not found["explicit"]
    assert found["called_from"] == ["site-packages/tidy.py:2"]


def test_collections_of_the_interpreters_own(learn):
    found = learn("""
        many = []
        for n, (x, y) in enumerate(batches):
            step(x, y)
            many += [[n] for n in range(20_000)]
    """).pauses
    assert found["collections"] > 0
    assert not found["explicit"]


def test_a_script_that_keeps_little_has_no_pause(learn):
    found = learn("""
        import gc
        gc.freeze()
        for x, y in batches: step(x, y)
    """).pauses
    assert not found["explicit"]
    assert found["collections"] <= 1


def test_the_collectors_callback_is_taken_off_at_the_end(record):
    outcome = record("""
        import gc
        model = net(); opt = torch.optim.SGD(model.parameters(), 0.1)
        before = len(gc.callbacks)
        for x, y in DataLoader(data(), 32):
            opt.zero_grad(); lossf(model(x), y).backward(); opt.step()
        print(before, len(gc.callbacks))
    """, steps=5)  # fmt: skip
    before, after = map(int, outcome.stdout.split())
    assert after == before - 1


def test_an_evaluation_that_forgot_no_grad(learn):
    evidence = learn("""
        for n, (x, y) in enumerate(batches):
            step(x, y)
            if n % 10 == 9:
                model.eval()
                correct = sum((model(x).argmax(1) == y).sum() for x, y in batches[:7])
                model.train()
    """)
    found = evidence.evaluations
    assert (found["with_grad"], found["batches_per_burst"], found["steps_between"]) == (1, 7, 10)
    assert evidence.headline["samples_per_step"] == 32


def test_anomaly_detection_around_forward_and_backward_alone(learn):
    assert learn("""
        import warnings; warnings.simplefilter("ignore")
        for x, y in batches:
            opt.zero_grad()
            with torch.autograd.detect_anomaly(check_nan=False):
                lossf(model(x), y).backward()
            opt.step()
    """).torch["anomaly_detection"]


def test_no_anomaly_detection_no_profiler_and_no_autocast_in_a_plain_script(learn):
    evidence = learn("for x, y in batches: step(x, y)")
    settings = evidence.torch
    assert (evidence.model["autocast"], evidence.model["grad_enabled"]) == (None, 1)
    assert (settings["anomaly_detection"], settings["autograd_profiler"]) == (False, False)


def test_the_type_that_autocast_computes_in(learn):
    evidence = learn("""
        for n, (x, y) in enumerate(batches):
            opt.zero_grad()
            with torch.autocast("cpu", dtype=torch.bfloat16):
                loss = lossf(model(x), y)
            loss.backward(); opt.step()
            if n % 10 == 5:
                with torch.no_grad(): model(x)
    """)
    assert evidence.model["autocast"] == "bfloat16"
    assert 0.8 < evidence.model["grad_enabled"] < 1


def test_a_model_compiled_anew_for_each_length(learn):
    found = learn("""
        model = torch.compile(nn.Sequential(nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 4)), backend="eager", dynamic=False)
        for n in range(60):
            size = 32 + (n // 12)
            x, y = torch.randn(size, 16), torch.randint(0, 4, (size,))
            opt.zero_grad(); loss = lossf(model(x), y); loss.backward(); opt.step()
    """).compilations
    assert found["count"] == 5
    assert found["recompiles"] == 4
    assert found["graph_breaks"] == 0
    assert found["last_step"] == 48
    assert found["in_steady_count"] >= 1
    assert found["in_steady_seconds_per_step"] > 0
    assert any("size mismatch" in reason for reason in found["reasons"])


def test_a_graph_break_is_counted_with_its_reason(learn):
    found = learn("""
        @torch.compile(backend="eager")
        def whole(x, y):
            h = model(x)
            print(end="")
            return lossf(h, y)
        for x, y in batches:
            opt.zero_grad(); whole(x, y).backward(); opt.step()
    """).compilations
    assert found["graph_breaks"] >= 1
    assert found["break_reasons"]


def test_nothing_compiled_is_known_and_not_unknown(learn):
    evidence = learn("for x, y in batches: step(x, y)")
    assert evidence.is_absent("compilations")


def test_the_optimizers_tensors_and_state(learn):
    optimizer = learn("for x, y in batches: step(x, y)").optimizer
    elements = 16 * 32 + 32 + 32 * 4 + 4
    assert (optimizer["tensors"], optimizer["elements"], optimizer["dtypes"]) == (4, elements, {"float32": elements})
    assert optimizer["state_bytes"] == 2 * 4 * elements + 4 * 4  # two moments, and a step count of each tensor
    assert not optimizer["compiled"]


def test_saves_are_named(learn):
    found = learn("""
        for n, (x, y) in enumerate(batches):
            step(x, y)
            if n % 10 == 9: torch.save(model.state_dict(), "m.pt")
    """).checkpoints
    assert (found["called"], found["steps_between"]) == (["torch.save"], 10)


class TestModelFacts:
    @pytest.fixture
    def describe(self):
        torch = pytest.importorskip("torch")
        from perfkit.inside.probes._model_facts import model

        return lambda thing: model(thing, torch)

    @pytest.fixture
    def nn(self):
        return pytest.importorskip("torch").nn

    def test_a_plain_model(self, describe, nn):
        found = describe(nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3)))
        assert (found["parameters"], found["parameter_tensors"], found["modules"]) == (4 * 3 + 3 + 6, 4, 3)
        assert found["buffers_bytes"] == 2 * 3 * 4 + 8
        assert (found["wrapper"], found["compiled"], found["training"], found["frozen_parameters"]) == (
            None,
            False,
            True,
            0,
        )
        assert (found["conv_parameters"], found["channels_last"], found["attention_modules"]) == (0, None, 0)

    def test_layout_is_told_by_the_weights_that_can_tell(self, describe, nn):
        import torch

        net = nn.Sequential(nn.Conv2d(3, 8, 3, bias=False), nn.Conv2d(8, 8, 1, bias=False))
        assert describe(net)["conv_parameters"] == 3 * 8 * 9 + 64
        assert describe(net)["channels_last"] == 0
        assert describe(net.to(memory_format=torch.channels_last))["channels_last"] == 1
        assert describe(net[1])["channels_last"] is None  # 1 × 1: the same in both layouts

    def test_frozen_and_attention(self, describe, nn):
        net = nn.TransformerEncoderLayer(8, 2, 16)
        net.linear1.requires_grad_(False)
        assert (describe(net)["attention_modules"], describe(net)["frozen_parameters"]) == (1, 8 * 16 + 16)

    def test_wrappers_are_seen_through(self, describe, nn):
        import torch

        inner = nn.Linear(4, 4)
        wrapped = describe(nn.DataParallel(inner))
        assert (wrapped["wrapper"], wrapped["inner_class"]) == ("DataParallel", "torch.nn.modules.linear.Linear")
        compiled = describe(torch.compile(nn.Sequential(inner), backend="eager"))
        assert (compiled["compiled"], compiled["wrapper"]) == (True, None)
        assert compiled["inner_class"] == compiled["class"] == "torch.nn.modules.container.Sequential"

    def test_a_ranks_model_has_its_settings(self, describe, nn, tmp_path):
        from torch import distributed

        distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/meet", rank=0, world_size=1)
        try:
            parallel = nn.parallel.DistributedDataParallel(
                nn.Linear(4, 4), find_unused_parameters=True, bucket_cap_mb=10
            )
            found = describe(parallel)
        finally:
            distributed.destroy_process_group()
        assert (found["wrapper"], found["find_unused_parameters"], found["bucket_cap_mb"]) == (
            "DistributedDataParallel", True, 10,
        )  # fmt: skip
        assert (found["static_graph"], found["gradient_as_bucket_view"]) == (False, False)


def test_values_that_a_guard_compared_are_not_kept():
    from perfkit.inside.probes.compiler_facts import _short

    assert _short("0/1: L['mode'] == 'my secret'  # if mode == 'x':") == "0/1: L['mode'] == '…'"

"""The card of a model: facts of three frameworks, JSON-ready, nothing of the data in it."""

import hashlib
import json
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from perfkit.errors import MonitorError
from perfkit.monitor.card import MAX_LAYERS, card

SECRET = 271828.1828


def as_json(facts):
    """The card as the record writes it; strict JSON."""
    text = json.dumps(facts, allow_nan=False)
    assert json.loads(text) == facts
    return text


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch")


def net(torch, seed=0, stride=1):
    torch.manual_seed(seed)
    nn = torch.nn
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, stride=stride), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 10)
    )


# -- torch


def test_a_torch_module(torch):
    model = net(torch)
    model[0].requires_grad_(False)
    facts = card(model)
    as_json(facts)
    assert facts["framework"] == {"name": "torch", "version": torch.__version__, "backend": None}
    assert (facts["class"], facts["layers_total"]) == ("torch.nn.modules.container.Sequential", 5)
    assert facts["parameters"] == sum(p.numel() for p in model.parameters()) == 40 + 8 + 1450
    assert facts["trainable_parameters"] == 8 + 1450
    assert (facts["parameter_bytes"], facts["buffers"]) == (4 * 1498, 9)
    assert (facts["dtypes"], facts["devices"]) == ({"float32": 1498}, ["cpu"])
    assert facts["layers"][0] == {
        "name": "0", "class": "torch.nn.modules.conv.Conv2d", "parameters": 40, "trainable": False,
        "shapes": {"weight": [4, 1, 3, 3], "bias": [4]}, "dtype": "float32",
    }  # fmt: skip
    assert facts["optimizer"] is facts["data"] is facts["file"] is None


def test_the_same_structure_has_the_same_fingerprint_whatever_its_weights(torch):
    one, two, other = (card(m)["fingerprints"] for m in (net(torch), net(torch, seed=1), net(torch, stride=2)))
    assert one["structure"] == two["structure"] != other["structure"]
    assert one["weights"] != two["weights"]
    assert card(net(torch))["fingerprints"] == one
    frozen = net(torch).requires_grad_(False)
    assert card(frozen)["fingerprints"]["structure"] == one["structure"]
    assert card(net(torch).half())["fingerprints"]["structure"] != one["structure"]


def test_a_training_step_changes_the_weights_fingerprint(torch):
    model = net(torch)
    before = card(model)["fingerprints"]
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    model(torch.ones(2, 1, 8, 8)).sum().backward()
    optimizer.step()
    after = card(model)["fingerprints"]
    assert after["weights"] != before["weights"]
    assert after["structure"] == before["structure"]
    assert card(model, weights=False)["fingerprints"] == {
        "structure": before["structure"],
        "weights": None,
        "weights_sampled": 0,
    }


def test_the_weights_sample_is_bounded_and_takes_no_copy_of_a_big_tensor(torch):
    big = torch.nn.Linear(3000, 3000)
    big.weight = torch.nn.Parameter(big.weight.detach().t())  # not contiguous: flattening it would copy all
    assert card(big)["fingerprints"]["weights_sampled"] <= 2 * 64
    deep = torch.nn.Sequential(*(torch.nn.Linear(9, 9) for _ in range(100)))
    assert card(deep)["fingerprints"]["weights_sampled"] <= 64 * 64


def test_shared_parameters_are_counted_once(torch):
    class Tied(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.embed, self.out = torch.nn.Embedding(10, 4), torch.nn.Linear(4, 10, bias=False)
            self.out.weight = self.embed.weight

    facts = card(Tied())
    assert facts["parameters"] == 40
    assert [layer["parameters"] for layer in facts["layers"]] == [40, 0]


def test_wrappers_are_looked_through(torch):
    model = net(torch)
    facts = card(torch.nn.DataParallel(torch.compile(model, backend="eager")))
    assert facts["wrapped_by"] == [
        "torch.nn.parallel.data_parallel.DataParallel", "torch._dynamo.eval_frame.OptimizedModule",
    ]  # fmt: skip
    assert facts["fingerprints"] == card(model)["fingerprints"]


def test_unusual_tensors(torch):
    lazy = card(torch.nn.LazyLinear(3))
    assert (lazy["parameters"], lazy["uninitialised_parameters"]) == (0, 2)
    meta = card(torch.nn.Linear(2, 2, device="meta"))
    assert (meta["parameters"], meta["devices"], meta["fingerprints"]["weights"]) == (6, ["meta"], None)
    for dtype in (torch.bfloat16, torch.complex64, torch.float64):
        assert card(torch.nn.Linear(2, 2, dtype=dtype))["fingerprints"]["weights_sampled"] == 6
    scalar = torch.nn.Module()
    scalar.temperature = torch.nn.Parameter(torch.tensor(1.0))
    assert card(scalar)["layers"][0]["shapes"] == {"temperature": []}


def test_layers_beyond_the_first_are_counted(torch):
    facts = card(torch.nn.Sequential(*(torch.nn.Identity() for _ in range(MAX_LAYERS + 7))))
    assert (len(facts["layers"]), facts["layers_total"]) == (MAX_LAYERS, MAX_LAYERS + 7)


def test_a_torch_optimizer_and_loader(torch):
    model = net(torch)
    groups = [{"params": model[0].parameters(), "lr": 0.5}, {"params": model[4].parameters()}]
    optimizer = torch.optim.AdamW(groups, lr=1e-3, weight_decay=0.25)
    dataset = torch.utils.data.TensorDataset(torch.full((10, 1), SECRET))
    facts = card(model, optimizer=optimizer, data=torch.utils.data.DataLoader(dataset, batch_size=4, shuffle=True))
    assert (facts["optimizer"]["class"], facts["optimizer"]["learning_rate"]) == ("torch.optim.adamw.AdamW", 0.5)
    assert facts["optimizer"]["learning_rates"] == [0.5, 1e-3]
    assert facts["optimizer"]["settings"]["weight_decay"] == 0.25
    assert facts["data"] == {
        "class": "torch.utils.data.dataloader.DataLoader", "batch_size": 4, "workers": 0, "pin_memory": False,
        "persistent_workers": False, "drop_last": False, "sampler": "torch.utils.data.sampler.RandomSampler",
        "dataset": "torch.utils.data.dataset.TensorDataset", "samples": 10, "batches": 3,
    }  # fmt: skip
    assert str(SECRET) not in as_json(facts)


# -- scikit-learn


def test_a_pipeline():
    pytest.importorskip("sklearn")
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(60, 5)), np.arange(60) % 3
    pipeline = make_pipeline(StandardScaler(), LogisticRegression(C=0.5))
    before = card(pipeline)
    assert (before["fitted"], before["parameters"], before["fingerprints"]["weights"]) == (False, 0, None)
    facts = card(pipeline.fit(x, y))
    as_json(facts)
    assert (facts["framework"]["name"], facts["class"]) == ("scikit-learn", "sklearn.pipeline.Pipeline")
    assert [layer["name"] for layer in facts["layers"]] == ["standardscaler", "logisticregression"]
    assert facts["layers"][1]["shapes"]["coef_"] == [3, 5]
    assert facts["layers"][1]["settings"]["C"] == 0.5
    assert facts["fitted"]
    assert facts["features_in"] == 5
    assert facts["fingerprints"]["structure"] == before["fingerprints"]["structure"]
    other = card(make_pipeline(StandardScaler(), LogisticRegression(C=0.5)).fit(x + rng.normal(size=x.shape), y))
    assert other["fingerprints"]["structure"] == facts["fingerprints"]["structure"]
    assert other["fingerprints"]["weights"] != facts["fingerprints"]["weights"]
    changed = card(make_pipeline(StandardScaler(), LogisticRegression(C=2.0)))
    assert changed["fingerprints"]["structure"] != facts["fingerprints"]["structure"]


@pytest.mark.parametrize(
    "name",
    ["ensemble.RandomForestClassifier", "ensemble.GradientBoostingClassifier", "ensemble.HistGradientBoostingClassifier",
     "neighbors.KNeighborsClassifier", "svm.SVC", "neural_network.MLPClassifier", "naive_bayes.GaussianNB"],
)  # fmt: skip
def test_what_an_estimator_has_learned_is_in_its_weights_fingerprint(name):
    sklearn = pytest.importorskip("sklearn")
    module, _, kind = name.rpartition(".")
    few = (
        {"n_estimators": 5}
        if kind in ("RandomForestClassifier", "GradientBoostingClassifier")
        else {"max_iter": 3}
        if kind == "HistGradientBoostingClassifier"
        else {}
    )
    few |= {"max_iter": 20, "tol": 1.0, "hidden_layer_sizes": (4,)} if kind == "MLPClassifier" else {}
    few |= {"random_state": 0} if kind not in ("KNeighborsClassifier", "GaussianNB") else {}
    estimator = getattr(__import__(f"{sklearn.__name__}.{module}", fromlist=[kind]), kind)
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(60, 3)), np.arange(60) % 2
    one, same, other = (card(estimator(**few).fit(data, y)) for data in (x, x.copy(), rng.normal(size=(60, 3))))
    as_json(one)
    assert one["fingerprints"] == same["fingerprints"]
    assert one["fingerprints"]["weights"] != other["fingerprints"]["weights"]


def test_nothing_of_the_users_data_is_on_the_card():
    pytest.importorskip("sklearn")
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.naive_bayes import MultinomialNB
    from sklearn.pipeline import make_pipeline

    words, labels = ["xyzzysecret patient", "plugh other"], ["secretlabel", "otherlabel"]
    model = make_pipeline(CountVectorizer(vocabulary=["xyzzysecret", "plugh", "patient", "other"]), MultinomialNB())
    text = as_json(card(model.fit(words, labels), data=(words, labels)))
    assert not [word for word in ("xyzzysecret", "plugh", "secretlabel") if word in text]
    assert json.loads(text)["data"]["samples"] == 2


# -- Keras, in a process of its own


KERAS = """
import json, sys
import numpy as np, keras
import tensorflow as tf
from perfkit.monitor.card import card

def build(rate=0.1):
    inner = keras.Sequential([keras.layers.Dense(3)])
    model = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Conv2D(4, 3), keras.layers.BatchNormalization(),
                              keras.layers.Flatten(), keras.layers.Dropout(rate), keras.layers.Dense(3), inner])
    schedule = keras.optimizers.schedules.CosineDecay(0.5, 100)
    model.compile(optimizer=keras.optimizers.AdamW(schedule, weight_decay=0.25), loss="mse")
    return model

class Sub(keras.Model):
    def __init__(self):
        super().__init__()
        self.blocks = [keras.layers.Dense(2) for _ in range(3)]
    def call(self, x):
        for block in self.blocks:
            x = block(x)
        return x

model, dataset = build(), tf.data.Dataset.from_tensor_slices((np.full((10, 3), 271828.1828), np.zeros(10))).batch(4)
first = card(model, data=dataset)
unbuilt = card(Sub())
sub = Sub(); sub(np.zeros((1, 2)))
again, other, bare = card(build()), card(build(0.2)), card(model, weights=False)
model.set_weights([w + 1e-3 for w in model.get_weights()])
print(json.dumps({"first": first, "again": again, "other": other, "unbuilt": unbuilt, "sub": card(sub), "trained": card(model),
                  "bare": bare, "count": model.count_params(), "torch": "torch" in sys.modules}, allow_nan=False))
"""


@pytest.fixture(scope="module")
def keras_cards():
    pytest.importorskip("tensorflow")
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(KERAS)], capture_output=True, text=True, timeout=200, check=False,
        env={"TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": "tensorflow", "CUDA_VISIBLE_DEVICES": "", "PATH": ""},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
def test_a_keras_model(keras_cards):
    facts = keras_cards["first"]
    assert (facts["framework"]["name"], facts["framework"]["backend"]) == ("keras", "tensorflow")
    assert [layer["class"].rpartition(".")[2] for layer in facts["layers"]] == [
        "Conv2D", "BatchNormalization", "Flatten", "Dropout", "Dense", "Dense",
    ]  # fmt: skip
    assert facts["parameters"] == keras_cards["count"] == 503
    assert facts["trainable_parameters"] == 503 - 8  # the moving mean and variance
    assert facts["layers"][0]["shapes"] == {"0:kernel": [3, 3, 1, 4], "1:bias": [4]}
    assert (facts["dtypes"], facts["devices"], facts["loss"]) == ({"float32": 503}, ["CPU:0"], "mse")
    assert facts["optimizer"]["class"].endswith("AdamW")
    assert (facts["optimizer"]["schedule"], facts["optimizer"]["learning_rate"]) == ("CosineDecay", 0.5)
    assert facts["optimizer"]["settings"]["weight_decay"] == 0.25
    assert facts["data"]["batches"] == 3
    assert facts["data"]["elements"][0] == {"shape": "(None, 3)", "dtype": "float64"}
    assert "271828" not in json.dumps(facts)


@pytest.mark.slow
def test_keras_fingerprints(keras_cards):
    prints = {name: keras_cards[name]["fingerprints"] for name in ("first", "again", "other", "trained", "bare")}
    assert prints["first"]["structure"] == prints["again"]["structure"] == prints["trained"]["structure"]
    assert prints["other"]["structure"] != prints["first"]["structure"]
    assert prints["first"]["weights"] not in (prints["again"]["weights"], prints["trained"]["weights"])
    assert prints["bare"]["weights"] is None


@pytest.mark.slow
def test_a_subclassed_keras_model_and_one_that_is_not_built(keras_cards):
    assert (keras_cards["unbuilt"]["built"], keras_cards["unbuilt"]["parameters"]) == (False, 0)
    assert (keras_cards["sub"]["layers_total"], keras_cards["sub"]["parameters"]) == (3, 18)
    assert keras_cards["torch"] is False


# -- whatever it is


def test_no_framework_is_imported_for_a_card():
    code = (
        "import sys; from perfkit.monitor.card import card; facts = card(object(), data=[1, 2]); "
        "print(facts['framework'], facts['class'], sorted({'torch', 'keras', 'tensorflow', 'sklearn'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "None builtins.object []\n"


def test_a_file_and_a_folder_are_hashed(tmp_path):
    file = tmp_path / "weights.bin"
    file.write_bytes(b"abc" * 1000)
    digest = hashlib.sha256(b"abc" * 1000).hexdigest()
    assert card(object(), file=file)["file"] == {"name": "weights.bin", "bytes": 3000, "sha256": digest}
    folder = tmp_path / "saved"
    (folder / "variables").mkdir(parents=True)
    (folder / "variables" / "data").write_text("x")
    first = card(object(), file=folder)["file"]
    assert (first["name"], first["bytes"], first["files"]) == ("saved", 1, 1)
    (folder / "variables" / "data").write_text("y")
    assert card(object(), file=str(folder))["file"]["sha256"] != first["sha256"]
    with pytest.raises(MonitorError, match="cannot be read: No such file"):
        card(object(), file=tmp_path / "none")


def test_data_that_says_little_or_raises():
    class Stream:
        batch_size = 8

        def __len__(self):
            raise RuntimeError("a stream has no length")

    assert card(object(), data=Stream())["data"] == {
        "class": f"{__name__}.test_data_that_says_little_or_raises.<locals>.Stream", "batch_size": 8, "samples": None, "batches": None,
    }  # fmt: skip
    assert card(object(), data={"batch_size": 32, "rate": float("nan"), "x": np.ones(3)})["data"] == {
        "batch_size": 32, "rate": "nan", "x": "numpy.ndarray",
    }  # fmt: skip
    arrays = card(object(), data=(np.zeros((7, 2), dtype=np.float32), [0] * 7))["data"]
    assert (arrays["samples"], arrays["arrays"][0]["shape"], arrays["arrays"][0]["dtype"]) == (7, [7, 2], "float32")
    assert card(object(), data=(i for i in ()))["data"] == {
        "class": "builtins.generator",
        "samples": None,
        "batches": None,
    }

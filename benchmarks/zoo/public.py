"""The public scripts that causes are planted into. They are not part of perfkit: checkouts of them are given by the person.

``--scripts DIR`` holds ``nanoGPT``, ``makemore``, ``minGPT`` and ``ng-video-lecture`` (github.com/karpathy), ``examples``
(github.com/pytorch), ``pytorch-tutorial`` (github.com/yunjey), ``PyTorch-GAN`` (github.com/eriklindernoren) and ``PyTorch-Tutorial``
(github.com/MorvanZhou).
A trial works on a copy, into which one import and one call per step are written.
"""

import pickle
import shutil
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

IGNORED = shutil.ignore_patterns(".git", "*.ipynb", "*.jpg", "*.png", "openwebtext")


@dataclass(frozen=True, kw_only=True)
class Script:
    """A public script: where it lies and how it is run."""

    name: str
    #: Folder below DIR that is copied, the script in it, and its arguments.
    folder: str
    script: str
    args: tuple[str, ...] = ()
    #: What makes the data that it would download (`PREPARE`).
    prepare: str = ""


@dataclass(frozen=True, kw_only=True)
class Target(Script):
    """One that causes are planted into: it runs for some seconds, and where a step ends in it is known."""

    #: File and line after which the call is written, and the call's arguments.
    file: str
    line: str
    call: str
    batch: int
    loader: bool = False
    cores: int = 1
    threads: int | None = None
    without: tuple[str, ...] = field(default=())
    #: Whether no rule was tried on the script, nor any trial made, before the rules' last change.
    held_out: bool = False


TUTORIALS = "pytorch-tutorial/tutorials"
# The scripts of the tutorial are alike: one file, digits of torchvision, a loader in the same process.
TUTORIAL = {
    "script": "main.py",
    "file": "main.py",
    "args": (),
    "loader": True,
    "cores": 2,
    "threads": 1,
    "prepare": "digits",
    "without": ("float64",),  # their pictures are float32
}

TARGETS = (
    Target(
        name="nanogpt", folder="nanoGPT", script="train.py", file="train.py", batch=12,
        line="    optimizer.zero_grad(set_to_none=True)\n", call="raw_model, optimizer, X", prepare="characters",
        args=("--dataset=characters", "--device=cpu", "--compile=False", "--dtype=float32", "--eval_iters=2",
              "--eval_interval=100000", "--log_interval=10", "--n_layer=3", "--n_head=4", "--n_embd=96",
              "--block_size=64", "--batch_size=12", "--gradient_accumulation_steps=1", "--max_iters=200",
              "--out_dir=out-trial"),
    ),
    Target(
        name="makemore", folder="makemore", script="makemore.py", file="makemore.py", batch=32, loader=True, cores=2,
        threads=1, line="        optimizer.step()\n", call="model, optimizer, X",
        args=("--max-steps", "320", "-n", "0", "--n-layer", "3"),
    ),
    Target(
        name="makemore_gru", folder="makemore", script="makemore.py", file="makemore.py", batch=32, loader=True, cores=2,
        threads=1, line="        optimizer.step()\n", call="model, optimizer, X",
        args=("--max-steps", "500", "-n", "0", "--type", "gru"),
    ),
    Target(
        name="adder", folder="minGPT", script="projects/adder/adder.py", file="mingpt/trainer.py", batch=64, loader=True,
        cores=2, threads=1, line="            self.optimizer.step()\n", call="model, self.optimizer, x",
        args=("--trainer.max_iters=400", "--trainer.num_workers=0", "--system.work_dir=out-trial"),
    ),
    Target(
        name="word_lstm", folder="examples/word_language_model", script="main.py", file="main.py", batch=20,
        line="            optimizer.step()\n", call="model, optimizer, data, hidden", prepare="words",
        args=("--data", "words", "--use-optimizer", "--lr", "0.001", "--epochs", "2", "--nhid", "128", "--emsize", "128"),
    ),
    Target(
        name="word_transformer", folder="examples/word_language_model", script="main.py", file="main.py", batch=20,
        line="            optimizer.step()\n", call="model, optimizer, data", prepare="words", without=("float64",),
        args=("--data", "words", "--model", "Transformer", "--use-optimizer", "--lr", "0.001", "--epochs", "2",
              "--nhid", "128", "--emsize", "128"),
    ),
    Target(
        name="bigram", folder="ng-video-lecture", script="bigram.py", file="bigram.py", batch=32,
        line="    optimizer.step()\n", call="model, optimizer, xb", args=(),
        without=("evaluate",),  # it evaluates often by itself
    ),
    Target(
        name="tutorial_mlp", folder=f"{TUTORIALS}/01-basics/feedforward_neural_network", **TUTORIAL,
        line="        optimizer.step()\n", call="model, optimizer, images", batch=100,
    ),
    Target(
        name="tutorial_cnn", folder=f"{TUTORIALS}/02-intermediate/convolutional_neural_network", **(TUTORIAL | {"prepare": "few digits"}),
        line="        optimizer.step()\n", call="model, optimizer, images", batch=100,
    ),
    Target(
        name="tutorial_rnn", folder=f"{TUTORIALS}/02-intermediate/recurrent_neural_network", **(TUTORIAL | {"prepare": "few digits"}),
        line="        optimizer.step()\n", call="model, optimizer, images", batch=100,
    ),
    Target(
        name="tutorial_vae", folder=f"{TUTORIALS}/03-advanced/variational_autoencoder", **(TUTORIAL | {"prepare": "few digits"}),
        line="        optimizer.step()\n", call="model, optimizer, x", batch=128,
    ),
    Target(
        name="tutorial_logistic", folder=f"{TUTORIALS}/01-basics/logistic_regression", **TUTORIAL,
        line="        optimizer.step()\n", call="model, optimizer, images", batch=100,
    ),
    Target(
        name="tutorial_birnn", folder=f"{TUTORIALS}/02-intermediate/bidirectional_recurrent_neural_network",
        **(TUTORIAL | {"prepare": "few digits"}), line="        optimizer.step()\n", call="model, optimizer, images", batch=100,
    ),
    Target(
        name="example_vae", folder="examples/vae", **(TUTORIAL | {"args": ("--epochs", "3")}),
        line="        optimizer.step()\n", call="model, optimizer, data", batch=128,
    ),
    Target(
        name="example_mnist", folder="examples/mnist", batch=64,
        **(TUTORIAL | {"args": ("--epochs", "2"), "prepare": "few digits"}), line="        optimizer.step()\n",
        call="model, optimizer, data",
    ),
    Target(
        name="example_mnist_rnn", folder="examples/mnist_rnn", batch=64,
        **(TUTORIAL | {"args": ("--epochs", "2"), "prepare": "few digits"}), line="        optimizer.step()\n",
        call="model, optimizer, data",
    ),
    # Held out: see Target.held_out.
    Target(
        name="tutorial_words", folder=f"{TUTORIALS}/02-intermediate/language_model", script="main.py", file="main.py", args=(),
        batch=20, line="        optimizer.step()\n", call="model, optimizer, inputs, states", prepare="text", without=("float64",),
        held_out=True,
    ),
    Target(
        name="gan_conditional", folder="PyTorch-GAN/implementations/cgan", held_out=True, batch=64,
        **(TUTORIAL | {"script": "cgan.py", "file": "cgan.py", "args": ("--n_epochs", "2")}),
        line="        batches_done = epoch * len(dataloader) + i\n", call="discriminator, optimizer_D, real_imgs, labels",
    ),
    Target(
        name="gan_wasserstein", folder="PyTorch-GAN/implementations/wgan", held_out=True, batch=64,
        **(TUTORIAL | {"script": "wgan.py", "file": "wgan.py", "args": ("--n_epochs", "3")}),
        line="        batches_done += 1\n", call="generator, optimizer_G, z",
    ),
    Target(
        name="gan_semi", folder="PyTorch-GAN/implementations/sgan", held_out=True, batch=32,
        **(TUTORIAL | {"script": "sgan.py", "file": "sgan.py", "prepare": "few digits",
                       "args": ("--n_epochs", "1", "--img_size", "16", "--batch_size", "32")}),
        line="        batches_done = epoch * len(dataloader) + i\n", call="discriminator, optimizer_D, real_imgs",
    ),
    Target(
        name="example_dcgan", folder="examples/dcgan", held_out=True, batch=16,
        **(TUTORIAL | {"args": ("--dataset", "fake", "--workers", "0", "--batchSize", "16", "--ngf", "12", "--ndf", "12",
                                "--niter", "3")}),
        line="        optimizerG.step()\n", call="netD, optimizerD, real_cpu",
    ),
    Target(
        name="lesson_rnn", folder="PyTorch-Tutorial/tutorial-contents", held_out=True, batch=64,
        **(TUTORIAL | {"script": "402_RNN_classifier.py", "file": "402_RNN_classifier.py", "prepare": "many digits"}),
        line="        optimizer.step()                                # apply gradients\n", call="rnn, optimizer, b_x",
    ),
    Target(
        name="lesson_autoencoder", folder="PyTorch-Tutorial/tutorial-contents", held_out=True, batch=64,
        **(TUTORIAL | {"script": "404_autoencoder.py", "file": "404_autoencoder.py"}),
        line="        optimizer.step()                    # apply gradients\n", call="autoencoder, optimizer, b_x",
    ),
)  # fmt: skip


class DoesNotFitError(ValueError):
    """A public script is not as it was when its target was written."""


def install(target: Target, scripts: Path, folder: Path) -> Path:
    """A copy of the target's folder in *folder* that calls ``planted``; its script's path."""
    script = copied(target, scripts, folder)
    edited = folder / target.file
    edited.write_text(with_call(edited.read_text(encoding="utf-8"), target), encoding="utf-8")
    shutil.copy(Path(__file__).with_name("planted.py"), script.parent / "planted.py")
    return script


def copied(target: Script, scripts: Path, folder: Path) -> Path:
    """A copy of the script's folder in *folder*, nothing in it changed, with its data made; the script's path."""
    shutil.copytree(scripts / target.folder, folder, ignore=IGNORED)
    script = folder / target.script
    if (folder / "mingpt").is_dir():
        (script.parent / "mingpt").symlink_to(folder / "mingpt")  # in place of installing it
    if target.prepare:
        PREPARE[target.prepare](scripts, folder)
    return script


def with_call(text: str, target: Target) -> str:
    """*text* with an import before its first and a call after the step's line."""
    if text.count(target.line) != 1:
        raise DoesNotFitError(f"{target.name}: {target.line!r} is there {text.count(target.line)} times")
    indent = target.line[: len(target.line) - len(target.line.lstrip())]
    text = text.replace(target.line, f"{target.line}{indent}planted.after_step({target.call})\n")
    first = next(line for line in text.splitlines() if line.startswith("import "))
    return text.replace(f"{first}\n", f"import planted\n{first}\n", 1)


def characters(scripts: Path, folder: Path) -> None:
    """Names as characters, in the files that nanoGPT's own preparation would make."""
    import numpy as np

    text = (scripts / "makemore" / "names.txt").read_text(encoding="utf-8")
    letters = sorted(set(text))
    codes = np.array([letters.index(letter) for letter in text], dtype=np.uint16)
    target = folder / "data" / "characters"
    target.mkdir(parents=True)
    codes[:200_000].tofile(target / "train.bin")
    codes[200_000:].tofile(target / "val.bin")
    (target / "meta.pkl").write_bytes(pickle.dumps({"vocab_size": len(letters)}))


def words(_scripts: Path, folder: Path) -> None:
    """A small part of the corpus that the example brings: three files of words."""
    lines = (folder / "data" / "wikitext-2" / "valid.txt").read_text(encoding="utf-8").split()[:40_000]
    target = folder / "words"
    target.mkdir()
    for name, part in (("train", lines[:35_000]), ("valid", lines[35_000:37_000]), ("test", lines[37_000:39_000])):
        (target / f"{name}.txt").write_text(" ".join(word if word.isalpha() else "<unk>" for word in part) + "\n")


PICTURES = """
import numpy, torch

class MNIST:
    def __init__(self, root, train=True, transform=None, download=False):
        chance = numpy.random.default_rng(train)
        self.pictures = chance.integers(0, 256, (COUNT if train else 2_000, 28, 28), dtype=numpy.uint8)
        self.transform = transform
        self.train_data = self.test_data = torch.from_numpy(self.pictures)
        self.train_labels = self.test_labels = torch.arange(len(self.pictures)) % 10

    def __len__(self):
        return len(self.pictures)

    def __getitem__(self, index):
        return self.transform(self.pictures[index]), index % 10

class FakeData:
    def __init__(self, size=1000, image_size=(3, 224, 224), transform=None):
        self.size, self.image_size, self.transform = size, image_size, transform

    def __len__(self):
        return self.size

    def __getitem__(self, index):
        depth, height, width = self.image_size
        picture = numpy.random.default_rng(index).integers(0, 256, (height, width, depth), dtype=numpy.uint8)
        return self.transform(picture), index % 10

class Compose:
    def __init__(self, transforms):
        self.transforms = transforms

    def __call__(self, picture):
        for transform in self.transforms:
            picture = transform(picture)
        return picture

class Normalize:
    def __init__(self, mean, std):
        self.mean, self.std = torch.tensor(mean).view(-1, 1, 1), torch.tensor(std).view(-1, 1, 1)

    def __call__(self, picture):
        return (picture - self.mean) / self.std

class Resize:
    def __init__(self, size):
        self.size = size

    def __call__(self, picture):
        rows, columns = (numpy.arange(self.size) * length // self.size for length in picture.shape[:2])
        return picture[rows][:, columns]

class ToTensor:
    def __call__(self, picture):
        tensor = torch.from_numpy(picture)
        return (tensor.permute(2, 0, 1) if tensor.ndim == 3 else tensor.unsqueeze(0)).float().div(255)

def save_image(tensor, path, **settings):
    torch.save(tensor, path)
"""


def digits(_scripts: Path, folder: Path, count: int = 12_800) -> None:
    """A stand-in for torchvision: pictures of the digits' size made at once instead of those that it would download."""
    package = folder / "torchvision"
    package.mkdir()
    (package / "pictures.py").write_text(PICTURES.replace("COUNT", str(count)))
    (package / "__init__.py").write_text("from . import datasets, transforms, utils\n")
    for module, names in (
        ("datasets", "FakeData, MNIST"),
        ("transforms", "Compose, Normalize, Resize, ToTensor"),
        ("utils", "save_image"),
    ):
        (package / f"{module}.py").write_text(f"from .pictures import {names}\n")


def text(scripts: Path, folder: Path) -> None:
    """The corpus that the tutorial downloads, in place of it a part of another example's."""
    corpus = (scripts / "examples/word_language_model/data/wikitext-2/valid.txt").read_text(encoding="utf-8")
    (folder / "data").mkdir(exist_ok=True)
    (folder / "data" / "train.txt").write_text(" ".join(corpus.split()[:8_000]), encoding="utf-8")


def mnist(_scripts: Path, folder: Path) -> None:
    """MNIST's files as torchvision keeps them once downloaded, where its scripts look for them: `../data` and `../../data` of *folder*.

    As many pictures of the same size; they are scikit-learn's digits, enlarged, shifted and with noise.
    """
    import numpy as np
    from sklearn.datasets import load_digits

    chance, small = np.random.default_rng(0), load_digits()
    large = np.pad(np.kron(small.images * (255 / 16), np.ones((3, 3))), ((0, 0), (2, 2), (2, 2)))
    raw = folder.parent.parent / "data" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    (folder.parent / "data").symlink_to(raw.parent.parent)
    for name, count in (("train", 60_000), ("t10k", 10_000)):
        chosen = chance.integers(0, len(large), count)
        moved = np.roll(large[chosen], chance.integers(-2, 3), axis=2)
        pictures = np.clip(moved + chance.normal(0, 12, moved.shape), 0, 255).astype(np.uint8)
        header = np.array([2051, count, 28, 28], dtype=">i4")
        (raw / f"{name}-images-idx3-ubyte").write_bytes(header.tobytes() + pictures.tobytes())
        labels = np.array([2049, count], dtype=">i4").tobytes() + small.target[chosen].astype(np.uint8).tobytes()
        (raw / f"{name}-labels-idx1-ubyte").write_bytes(labels)


PREPARE = {"characters": characters, "words": words, "text": text, "digits": digits,
           "few digits": partial(digits, count=5_000), "many digits": partial(digits, count=40_000),
           "mnist": mnist}  # fmt: skip

"""What `perfkit tune` gives on public training scripts that nobody here wrote: the speed-up of each, shown a second time without it.

    python benchmarks/tune_public.py --scripts DIR               every script that is not in results/tune_public.json
    python benchmarks/tune_public.py --scripts DIR --only NAME   that one alone; may be repeated; --again: also when it is there

DIR holds checkouts of the repositories (zoo/public.py says which). A script runs as its authors wrote it, in a copy of its folder,
with the arguments that they give or none, on two cores and with no setting in the environment. Data that it would download is made
in its place, as many pictures of the same size in the same files; torchvision (a release that goes with torch) reads it.

Tune chooses what to try by itself. What it keeps is then checked by other means: the plain script against the changed one, in
interleaved pairs of fresh processes, by the times at which the lines arrive that the script prints of its progress: from one line to
another once it has settled, and (speedup_from_start) from its start on, with all that is done once, in the first seconds of the run. The changed
one is the script with tune's diff written into it and run by plain Python, wherever the diff holds all that was kept; else the
unchanged script under `perfkit profile --with …`, whose own cost counts against it. Where nothing is kept the speed-up is 1.
The result is written after each script; losses, what did not apply and what failed are in it.
"""

import argparse
import json
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from machine import here, write
from zoo import progress, public, running, scoring, tuning

NAME = "tune_public"
TO_REACH = 1.15
CORES = 2
OF_A_TRIAL = (*tuning.OF_A_TRIAL, "rule", "loss", "memory", "processes", "method")
TUTORIALS = "pytorch-tutorial/tutorials"
#: Folders above a copy, for the scripts that keep their data beside or above their own.
ABOVE = ("above", "beside")
EPOCH = r"Epoch.*Step"


@dataclass(frozen=True, kw_only=True)
class Script(public.Script):
    """One to tune."""

    kind: str
    #: What the lines hold that it prints of its progress.
    progress: str


def tutorial(name, folder, kind, **settings):
    return Script(name=name, folder=f"{TUTORIALS}/{folder}", script="main.py", kind=kind,
                  **({"prepare": "mnist", "progress": EPOCH} | settings))  # fmt: skip


def example(name, folder, kind, *args, **settings):
    return Script(name=name, folder=f"examples/{folder}", script="main.py", args=args, kind=kind,
                  **({"prepare": "mnist", "progress": r"Train Epoch"} | settings))  # fmt: skip


# The arguments are those of the scripts' own instructions for a CPU; of the word models only the corpus is smaller, and they
# tell of their progress more often.
WORDS = ("--data", "words", "--log-interval", "10")
SCRIPTS = (
    tutorial("tutorial_logistic", "01-basics/logistic_regression", "logistic regression"),
    tutorial("tutorial_mlp", "01-basics/feedforward_neural_network", "MLP"),
    tutorial("tutorial_cnn", "02-intermediate/convolutional_neural_network", "CNN"),
    tutorial("tutorial_rnn", "02-intermediate/recurrent_neural_network", "LSTM classifier"),
    tutorial("tutorial_birnn", "02-intermediate/bidirectional_recurrent_neural_network", "bidirectional LSTM classifier"),
    tutorial("tutorial_vae", "03-advanced/variational_autoencoder", "VAE"),
    tutorial("tutorial_gan", "03-advanced/generative_adversarial_network", "GAN"),
    example("example_mnist", "mnist", "CNN"),
    example("example_mnist_rnn", "mnist_rnn", "RNN classifier"),
    example("example_vae", "vae", "VAE"),
    example("word_lstm", "word_language_model", "LSTM language model", *WORDS, prepare="words", progress=r"batches"),
    example("word_transformer", "word_language_model", "transformer language model", *WORDS, "--model", "Transformer", "--lr", "5",
            prepare="words", progress=r"batches"),
    Script(name="makemore", folder="makemore", script="makemore.py", args=("-i", "names.txt", "-o", "names"),
           kind="transformer, characters", progress=r"^step \d+ \|"),
    Script(name="makemore_gru", folder="makemore", script="makemore.py", args=("-i", "names.txt", "-o", "names", "--type", "gru"),
           kind="GRU, characters", progress=r"^step \d+ \|"),
    Script(name="nanogpt", folder="nanoGPT", script="train.py", kind="GPT, characters", prepare="characters", progress=r"^iter ",
           args=("config/train_shakespeare_char.py", "--dataset=characters", "--device=cpu", "--compile=False", "--eval_iters=20",
                 "--log_interval=1", "--block_size=64", "--batch_size=12", "--n_layer=4", "--n_head=4", "--n_embd=128",
                 "--max_iters=2000", "--lr_decay_iters=2000", "--dropout=0.0")),
    Script(name="adder", folder="minGPT", script="projects/adder/adder.py", kind="GPT, sums", progress=r"^iter_dt"),
    Script(name="bigram", folder="ng-video-lecture", script="bigram.py", kind="bigram model", progress=r"^step "),
)  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scripts", type=Path, required=True, metavar="DIR")
    parser.add_argument("--only", action="append", metavar="NAME", choices=[script.name for script in SCRIPTS])
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--minutes", type=float, default=8.0, help="for tuning each script (default 8)")
    parser.add_argument("--pairs", type=int, default=3, help="of the check (default 3)")
    parser.add_argument("--seconds", type=float, default=30.0, help="of a run of the check, at most (default 30)")
    options = parser.parse_args()
    known = tuning.stored(NAME, "scripts", {})
    for script in SCRIPTS:
        if (options.only and script.name not in options.only) or (script.name in known and not options.again):
            continue
        try:
            known[script.name] = tried(script, options)
        except (running.ScriptFailedError, subprocess.TimeoutExpired) as error:
            known[script.name] = {"kind": script.kind, "failed": str(error)[-500:]}
        write(NAME, {"made_by": "benchmarks/tune_public.py", "totals": totals(known), "scripts": known})
        print(f"{script.name}: {brief(known[script.name])}", file=sys.stderr, flush=True)
    print(json.dumps(totals(known), indent=1))


# --- one script


def tried(script, options):
    """What tune made of the script, and what is left of that by the other means."""
    with tempfile.TemporaryDirectory(prefix="perfkit-tune-") as name:
        folder = Path(name, *ABOVE)
        path = public.copied(script, options.scripts, folder / "plain")
        results = Path(name, "results")
        results.mkdir()
        words = [str(path.relative_to(folder / "plain")), *script.args]
        document = tuning.tuned(
            words, results, environment=environment(), minutes=options.minutes, cwd=folder / "plain"
        )
        check = checked(script, folder, document, options) if is_kept(document) else None
        return result(script, options, document, check)


def result(script, options, document, check):
    """The row of the script."""
    together = document["together"] if is_kept(document) else None
    return {
        "kind": script.kind, "from": origin(options.scripts / script.folder), "arguments": list(script.args),
        "kept": together["fixes"] if together else [],
        "measured": together["measured"] if together else None,
        "speedup": together["speedup"] if together else 1.0,
        "loss": together["loss"] if together else None, "memory": together["memory"] if together else None,
        "check": check, "checked_speedup": speedup_of(check), "speedup_from_start": speedup_of(check, "saved_from_start"),
        "baseline": document["baseline"], "together": document["together"],
        "trials": [tuning.short(row, OF_A_TRIAL) for row in document["trials"]],
        "by_hand": [row["title"] for row in document["by_hand"]], "changes": document["changes"], "notes": document["notes"],
        "steps": document["steps"], "seconds": round(document["seconds"]), **here(),
    }  # fmt: skip


def is_kept(document):
    return document["together"] is not None and document["together"]["verdict"] == "keep"


def speedup_of(check, what="saved"):
    """1 without a check, for nothing was kept; None of one that failed."""
    if check is None:
        return 1.0
    return 1 / (1 - check[what]["median"]) if what in check else None


def environment():
    """A person's: no number of threads, and compilers that keep what they made."""
    made = running.environment(None)
    made.pop("TORCHINDUCTOR_FORCE_DISABLE_CACHES")
    return made


def origin(folder):
    """Repository and commit of a checkout; commit None where it is none."""
    asked = [["rev-parse", "--show-toplevel"], ["rev-parse", "HEAD"]]
    done = [subprocess.run(["git", "-C", str(folder), *words], capture_output=True, text=True) for words in asked]
    top, commit = (each.stdout.strip() if each.returncode == 0 else None for each in done)
    return {"repository": Path(top).name if top else folder.name, "commit": commit}


# --- the check


def checked(script, folder, document, options):
    """Plain against changed: which way, and the share saved; with the reason where it cannot be told."""
    way, home, words = changed(script, folder, document)
    plain = [sys.executable, script.script, *script.args], folder / "plain"
    pattern = re.compile(script.progress)
    settings = environment() | {"TORCHINDUCTOR_CACHE_DIR": str(folder / "compiled")}
    runs = []
    try:
        for number in range(options.pairs):
            arms = [("plain", *plain), ("changed", words, home)]
            timed = {
                arm: progress.arrivals(command, pattern, cwd, settings, options.seconds, CORES)
                for arm, command, cwd in (arms if number % 2 == 0 else arms[::-1])
            }
            runs += [timed["plain"], timed["changed"]]
        steady, whole = (paired(times) for times in (progress.spans(runs), progress.from_start(runs)))
    except running.ScriptFailedError as error:
        return {"way": way, "failed": str(error)[-500:]}
    return {
        "way": way,
        "saved": scoring.effect(steady),
        "pairs_s": [[round(value, 3) for value in pair] for pair in steady],
        "saved_from_start": scoring.effect(whole),
    }


def paired(times):
    return list(zip(times[::2], times[1::2], strict=True))


def changed(script, folder, document):
    """(way, folder, command) of the script with what was kept."""
    edited = folder / "edited"
    shutil.copytree(folder / "plain", edited, symlinks=True)
    changes = document["changes"]
    if changes["diff"] and not changes["by_hand"]:
        tuning.patch(edited, script.script, changes["diff"])
        return "edited script", edited, [sys.executable, script.script, *script.args]
    kept = [typed(row["fix"]) for row in document["trials"] if row["label"] in document["together"]["fixes"]]
    quietly = ["-q", "--no-trace", "--no-stacks", "--results-dir", str(folder / "profiles")]
    profile = [sys.executable, "-m", "perfkit", "profile", *quietly, *(f"--with={fix}" for fix in kept)]
    return "applied from inside", edited, [*profile, script.script, *script.args]


def typed(fix):
    """A fix as a person writes it."""
    given = ",".join(f"{key}={value}" for key, value in fix["parameters"].items())
    return f"{fix['name']}:{given}" if given else fix["name"]


# --- all of them


def totals(known):
    """The figures that the target is about. Nothing kept counts as 1; what failed counts as nothing, and is named."""
    good = {name: row for name, row in known.items() if "failed" not in row}
    shown = {name: row["checked_speedup"] for name, row in good.items() if row["checked_speedup"] is not None}
    whole = [row["speedup_from_start"] for row in good.values() if row["speedup_from_start"] is not None]
    verdicts = Counter(trial["verdict"] for row in good.values() for trial in row["trials"])
    median = statistics.median(shown.values()) if shown else None
    return {
        "scripts": len(known), "failed": sorted(set(known) - set(good)), "not_checked": sorted(set(good) - set(shown)),
        "median_speedup": statistics.median(row["speedup"] for row in good.values()) if good else None,
        "median_checked_speedup": median,
        "median_speedup_from_start": statistics.median(whole) if whole else None,
        "to_reach": TO_REACH, "reached": median is not None and median >= TO_REACH,
        "nothing_kept": sorted(name for name, row in good.items() if not row["kept"]),
        "slower_by_the_check": {name: round(value, 3) for name, value in shown.items() if value < 1},
        "trials": verdicts.total(), "verdicts": dict(verdicts),
    }  # fmt: skip


def brief(row):
    if "failed" in row:
        return f"failed: {row['failed']}"
    if row["check"] is None:
        return "nothing kept"
    check = f"{row['checked_speedup']:.2f}x" if row["checked_speedup"] else row["check"]["failed"]
    return f"{row['speedup']:.2f}x ({row['check']['way']}: {check}): {', '.join(row['kept'])}"


if __name__ == "__main__":
    main()

"""`perfkit monitor logs` over a million lines: throughput, memory, the share that is understood, and whether every value is found.

    python benchmarks/monitor_logs.py [LINES]

The lines have the formats of three real programs, as recorded in tests/data/logs: nanoGPT's train.py, pytorch/examples' mnist and Keras's
fit(verbose=2). They are written from the programs' own format strings with running numbers; that each has the shape of a recorded line is
checked. One line in fifty is noise: warnings, banners, messages with hashes and paths, tracebacks. The reader is a process of its own, so
that its peak memory is its own; its processor time is what the throughput is counted by, as neighbours on the machine do not change it.
"""

import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import machine

RECORDED = Path(__file__).resolve().parent.parent / "tests" / "data" / "logs"
SIZES = (100_000, 1_000_000)
REPEATS = {100_000: 3, 1_000_000: 2}
UNLIKE_LINES = 20_000
NOISE = 50  # one line in so many
NOTE = "lines_per_wall_s includes waiting for other work on the core (see load_average); lines_per_cpu_s does not"


def nanogpt(lines, say):
    """train.py with log_interval=1, eval_interval=50."""
    step = 0
    while say.count < lines:
        if step % 50 == 0:
            say.metric(f"step {step}: train loss {say.loss():.4f}, val loss {say.loss():.4f}", 2)
            say.line("saving checkpoint to out-shakespeare-char")
        say.metric(
            f"iter {step}: loss {say.loss():.4f}, time {say.random.uniform(5, 99):.2f}ms, mfu {say.random.uniform(0, 40):.2f}%",
            3,
        )
        step += 1


def mnist(lines, say):
    """mnist/main.py with 60,000 pictures, batch size 64, log-interval 1."""
    epoch = 1
    while say.count < lines:
        for batch in range(938):
            say.metric(
                f"Train Epoch: {epoch} [{batch * 64}/60000 ({100.0 * batch / 938:.0f}%)]\tLoss: {say.loss():.6f}", 1
            )
        right = say.random.randint(9000, 9999)
        say.line("")
        say.metric(f"Test set: Average loss: {say.loss():.4f}, Accuracy: {right}/10000 ({right / 100:.0f}%)", 2)
        say.line("")
        epoch += 1


def keras(lines, say):
    """fit(verbose=2) with validation data, ModelCheckpoint(verbose=1)."""
    epoch, best = 1, "None"
    while say.count < lines:
        say.line(f"Epoch {epoch}/1000000")
        say.line("")
        new = f"{say.loss():.5f}"
        say.line(f"Epoch {epoch}: val_loss improved from {best} to {new}, saving model to out/best.keras")
        best = new
        figures = [say.random.random() for _ in range(4)]
        say.metric("38/38 - {}s - {}ms/step - accuracy: {:.4f} - loss: {:.4f} - val_accuracy: {:.4f} - val_loss: {:.4f} - learning_rate: "
                   "0.0010".format(say.random.randint(0, 3), say.random.randint(2, 90), *figures), 6)  # fmt: skip
        epoch += 1


class Say:
    """Writes lines with noise between them, and counts the values that a reader must find."""

    def __init__(self, file, seed):
        self.file, self.random = file, random.Random(seed)
        self.count = self.values = self.noise = 0

    def loss(self):
        return 4 * self.random.random()

    def line(self, text):
        self.file.write(text + "\n")
        self.count += 1
        if self.random.randrange(NOISE) == 0:
            for noise in self.made_noise():
                self.file.write(noise + "\n")
                self.count += 1
                self.noise += 1

    def metric(self, text, values):
        self.values += values
        self.line(text)

    def made_noise(self):
        """Lines that are no metric, of kinds that the recorded logs have."""
        r = self.random
        name = f"{r.getrandbits(64):016x}"
        return r.choice((
            [f"2026-01-02 03:04:{r.randrange(60):02d},{r.randrange(1000):03d} - data - INFO - fetched shard {name} from /data/{name[:4]}/part.bin"],
            [f"2026-01-02 03:04:{r.randrange(60):02d},{r.randrange(1000):03d} - train - WARNING - gradient overflow, loss scale {2 ** r.randrange(9, 17)}"],
            ["/usr/lib/python3/site-packages/torch/utils/data/dataloader.py:431: UserWarning: This DataLoader will create 4 worker processes",
             "  self.check_worker_number_rationality()"],
            ["Traceback (most recent call last):", '  File "/src/train.py", line 16, in <module>', "    step(batch)",
             f"ValueError: bad batch {r.randrange(10**6)}"],
            [f"the quick brown fox number {r.randrange(100)} jumped over {name}"],
            [""],
        ))  # fmt: skip


def unlike(lines, say):
    """The worst case: no two lines have the same words."""
    words = (RECORDED / "makemore.log").read_text().split()
    while say.count < lines:
        say.file.write(" ".join(say.random.choice(words) for _ in range(12)) + "\n")
        say.count += 1


PROGRAMS = {
    "nanoGPT": (nanogpt, "nanogpt.log"),
    "pytorch-mnist": (mnist, "pytorch_mnist.log"),
    "keras": (keras, "keras_v2.log"),
}


def shapes(text):
    from perfkit.monitor.logs.shapes import NUMBER

    return {"#".join(NUMBER.split(line)[::2]).strip() for line in text.splitlines()}


def check_formats():
    """Each program's lines have shapes that its recorded log has."""
    import io

    for name, (write, recorded) in PROGRAMS.items():
        out = io.StringIO()
        say = Say(out, 1)
        say.made_noise = list
        write(300, say)
        odd = shapes(out.getvalue()) - shapes((RECORDED / recorded).read_text())
        if odd:
            raise SystemExit(f"{name}: not printed by the real program: {sorted(odd)[:3]}")


def read(path):
    """In a process of its own: what the analysis of *path* took and found."""
    from perfkit.monitor.logs import document, sources
    from perfkit.monitor.logs.analysis import LogAnalysis

    before = resource.getrusage(resource.RUSAGE_SELF)
    started = time.perf_counter()
    analysis = LogAnalysis()
    sources.read(analysis, [path])
    wall_s = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_SELF)
    made = document.compose(analysis)
    print(json.dumps({
        "cpu_s": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, "wall_s": wall_s,
        "start_bytes": before.ru_maxrss * 1024, "peak_bytes": after.ru_maxrss * 1024, "lines": made["lines"],
        "understood": made["understood"]["share"], "values": sum(s["count"] for s in made["series"]), "shapes": made["templates"]["shapes"],
        "templates": made["templates"]["count"],
    }))  # fmt: skip


def measure(name, lines, folder):
    write = PROGRAMS[name][0] if name in PROGRAMS else unlike
    path = folder / f"{name}-{lines}.log"
    with path.open("w") as file:
        say = Say(file, 7)
        write(lines, say)
    runs = [json.loads(subprocess.run([sys.executable, __file__, "--read", path], check=True, capture_output=True).stdout)
            for _ in range(REPEATS.get(lines, 2))]  # fmt: skip
    size = path.stat().st_size
    path.unlink()
    first = runs[0]
    return {
        "lines": say.count, "bytes": size, "noise_lines": say.noise,
        "lines_per_cpu_s": machine.spread([say.count / run["cpu_s"] for run in runs]),
        "lines_per_wall_s": machine.spread([say.count / run["wall_s"] for run in runs]),
        "start_bytes": max(run["start_bytes"] for run in runs), "peak_bytes": max(run["peak_bytes"] for run in runs),
        "understood_share": first["understood"], "by_class": first["lines"], "shapes": first["shapes"], "templates": first["templates"],
        "values": {"printed": say.values, "found": first["values"]},
    }  # fmt: skip


def main():
    check_formats()
    sizes = (int(sys.argv[1]),) if len(sys.argv) > 1 else SIZES
    programs = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in PROGRAMS:
            for lines in sizes:
                row = programs.setdefault(name, {})[str(lines)] = measure(name, lines, Path(folder))
                print(f"{name:14} {row['lines']:>9,} lines  {row['lines_per_cpu_s']['median']:>9,.0f} lines/s of processor time  "
                      f"{row['peak_bytes'] / 1e6:.0f} MB  {row['understood_share']:.2%}  {row['values']}", flush=True)  # fmt: skip
    if len(sizes) > 1:
        small, large = (str(size) for size in sizes)
        growth = {name: rows[large]["peak_bytes"] - rows[small]["peak_bytes"] for name, rows in programs.items()}
        with tempfile.TemporaryDirectory() as folder:
            worst = measure("unlike", UNLIKE_LINES, Path(folder))
        machine.write(
            "monitor_logs",
            {
                "noise": f"one line in {NOISE}",
                "note": NOTE,
                "programs": programs,
                "peak_growth_bytes": growth,
                "no_two_lines_alike": worst,
            },
        )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--read"]:
        read(sys.argv[2])
    else:
        main()

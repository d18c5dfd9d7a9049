"""The zoo's cases: a script, what loses its time, which rule should say so first, and the cure as a diff."""

from dataclasses import dataclass
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parent / "scripts"


@dataclass(frozen=True, kw_only=True)
class Case:
    """One script. A healthy one has no cause, no rules and no cure."""

    script: str
    #: One of model.records.CAUSES, or "none".
    cause: str
    #: Rules of which any may come first.
    rules: tuple[str, ...] = ()
    #: What a person would change: (old text, new text), each old text once in the script.
    cure: tuple[tuple[str, str], ...] = ()
    #: Which of the rules tells what the cure gives; empty: whichever comes first.
    cure_of: str = ""
    basis: str = "steady"
    #: Cores the script may use, and OMP_NUM_THREADS (None: the framework's own choice).
    cores: int = 1
    threads: int | None = None

    @property
    def name(self) -> str:
        return self.script.removesuffix(".py")

    @property
    def healthy(self) -> bool:
        return self.cause == "none"

    def source(self) -> str:
        return (SCRIPTS / self.script).read_text(encoding="utf-8")


class CureDoesNotFitError(ValueError):
    """A cure's old text is not in its script exactly once."""


def cured(case: Case) -> str:
    """The script with its cure applied."""
    text = case.source()
    for old, new in case.cure:
        if text.count(old) != 1:
            raise CureDoesNotFitError(f"{case.name}: {old!r} is there {text.count(old)} times")
        text = text.replace(old, new)
    return text


CASES = (
    # --- input
    Case(
        script="stored_digits.py", cause="input", rules=("input",), cores=2, threads=1,
        cure=(("batch_size=32, shuffle=True)", "batch_size=32, shuffle=True, num_workers=2)"),),
    ),
    Case(
        script="packed_pictures.py", cause="input", rules=("input",), cores=2, threads=1,
        cure=(("batch_size=40, shuffle=True)", "batch_size=40, shuffle=True, num_workers=2)"),),
    ),
    Case(
        script="review_sentiment.py", cause="input", rules=("input", "collate"),
        cure=((
            """    longest = max(len(words) for words, _ in reviews)
    tokens = torch.full((len(reviews), longest), PAD)
    for row, (words, _) in enumerate(reviews):
        for column, word in enumerate(words):
            tokens[row, column] = word
    return tokens,""",
            """    tokens = nn.utils.rnn.pad_sequence([words for words, _ in reviews], batch_first=True, padding_value=PAD)
    return tokens,""",
        ),),
    ),
    Case(
        script="spectrograms.py", cause="input", rules=("input",), cores=2, threads=1,
        cure=(("num_workers=1", "num_workers=2"),),
    ),
    Case(
        script="textures.py", cause="input", rules=("workers_surplus", "input"), cores=2, threads=1,
        cure=(("num_workers=8", "num_workers=2, persistent_workers=True"),),
    ),
    Case(
        script="churn.py", cause="input", rules=("hand_batches",),
        cure=(
            ("model = nn.Sequential(", "table = torch.tensor([[row[name] for name in COLUMNS] for row in rows])\n"
             'answers = torch.tensor([row["churned"] for row in rows])\nmodel = nn.Sequential('),
            ("features = torch.tensor([[rows[i][name] for name in COLUMNS] for i in chosen])",
             "features = table[chosen]"),
            ('target = torch.tensor([rows[i]["churned"] for i in chosen])', "target = answers[chosen]"),
        ),
    ),
    # --- threads and precision
    Case(
        script="wide_autoencoder.py", cause="threads", rules=("threads",), cores=2,
        cure=(("torch.set_num_threads(1)  # was needed on the shared login node\n", ""),),
    ),
    Case(
        script="denoiser.py", cause="threads", rules=("threads",), cores=2,
        cure=(("torch.set_num_threads(16)\n", ""),),
    ),
    Case(
        script="house_prices.py", cause="precision", rules=("float64",),
        cure=(("torch.from_numpy(table)", "torch.from_numpy(table).float()"),
              ("torch.from_numpy(prices)", "torch.from_numpy(prices).float()")),
    ),
    Case(
        script="genes.py", cause="precision", rules=("precision",),
        cure=(("        loss = nn.functional.cross_entropy(model(x), y)",
               '        with torch.autocast("cpu", torch.bfloat16):\n'
               "            loss = nn.functional.cross_entropy(model(x), y)"),),
    ),
    # --- the optimizer and Python around it
    Case(
        script="deep_residual.py", cause="optimizer", rules=("optimizer", "optimizer_cpu", "fused_optimizer"),
        cure=(("lr=1e-3)", "lr=1e-3, fused=True)"),),
    ),
    Case(
        script="mean_teacher.py", cause="python", rules=("per_parameter",),
        cure=((
            """    for ours, theirs in zip(teacher.parameters(), student.parameters()):
        ours.data = DECAY * ours.data + (1 - DECAY) * theirs.data
""",
            """    with torch.no_grad():
        torch._foreach_lerp_(list(teacher.parameters()), list(student.parameters()), 1 - DECAY)
""",
        ),),
    ),
    Case(
        script="curriculum.py", cause="compile", rules=("recompile",),
        cure=(("torch.compile(model, dynamic=False)", "torch.compile(model, dynamic=True)"),),
    ),
    Case(
        script="oscillators.py", cause="launch", rules=("dispatch", "compile"),
        cure=(("model = Oscillators()\noptimizer", "model = torch.compile(Oscillators())\noptimizer"),),
    ),
    Case(
        script="digits_mlp.py", cause="batch", rules=("small_batch", "batch", "dispatch"),
        cure=(("batch_size=8", "batch_size=32"),),
    ),
    # --- the life around the step
    Case(
        script="forecast.py", cause="evaluation", rules=("evaluation",),
        cure=(("if step % 5 == 0:", "if step % 25 == 0:"),),
    ),
    Case(
        script="topics.py", cause="evaluation", rules=("no_grad", "evaluation"),
        cure=(("    right = 0\n    for tokens, topics in loader:\n"
               "        right += (model(tokens).argmax(1) == topics).sum().item()\n",
               "    right = 0\n    with torch.inference_mode():\n        for tokens, topics in loader:\n"
               "            right += (model(tokens).argmax(1) == topics).sum().item()\n"),),
    ),
    Case(
        script="speller.py", cause="checkpoint", rules=("checkpoint",),
        cure=(("if step % 2 == 0:", "if step % 30 == 0:"),),
    ),
    Case(
        script="rings_gan.py", cause="logging", rules=("logging",),
        cure=(("        write_log(step,", "        if step % 10 == 0:\n            write_log(step,"),),
    ),
    Case(
        script="spam_filter.py", cause="startup", rules=("startup",), basis="run",
        cure=(("    features = count_pairs(mails)\n",
               "    if not CACHE.exists():\n        torch.save(count_pairs(mails), CACHE)\n"
               "    features = torch.load(CACHE)\n"),),
    ),
    Case(
        script="tiny_gpt.py", cause="kernel", rules=("attention",),
        cure=((
            """        scores = q @ k.transpose(-2, -1) / math.sqrt(c // HEADS)
        scores = scores.masked_fill(~self.mask[:t, :t], float("-inf"))
        y = F.softmax(scores, dim=-1) @ v
""",
            "        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)\n",
        ),),
    ),
    Case(
        script="fashion_finetune.py", cause="python", rules=("garbage",),
        cure=(("        if step % 3 == 0:\n            gc.collect()\n", ""),),
    ),
    Case(
        script="vae.py", cause="python", rules=("anomaly",),
        cure=(("torch.autograd.set_detect_anomaly(True)\n", ""),),
    ),
    Case(
        script="mobile_net.py", cause="kernel", rules=("channels_last", "channels_last_cpu"),
        cure=(("model = MobileNet()", "model = MobileNet().to(memory_format=torch.channels_last)"),
              ("model(x), y)", "model(x.contiguous(memory_format=torch.channels_last)), y)")),
    ),
    Case(
        script="drift_watch.py", cause="memory", rules=("memory_growth", "no_grad"),
        cure=(("        drift = nn.functional.mse_loss(model(x), start_model(x))",
               "        with torch.no_grad():\n            drift = nn.functional.mse_loss(model(x), start_model(x))"),),
    ),
    # --- inference
    Case(
        script="rank_products.py", cause="memory", rules=("no_grad",),
        cure=(("        scores = ranker(products)",
               "        with torch.inference_mode():\n            scores = ranker(products)"),),
    ),
    Case(
        script="tag_pictures.py", cause="batch", rules=("small_batch", "batch", "dispatch"),
        cure=(("BATCH = 1\n", "BATCH = 16\n"),),
    ),
    # --- nothing to find
    Case(script="healthy_loader.py", cause="none", cores=2, threads=1),
    Case(script="healthy_cnn.py", cause="none"),
    Case(script="healthy_transformer.py", cause="none"),
    Case(script="healthy_lstm.py", cause="none"),
    Case(script="healthy_inference.py", cause="none"),
    Case(script="healthy_table.py", cause="none"),
    Case(script="healthy_gan.py", cause="none"),
)  # fmt: skip

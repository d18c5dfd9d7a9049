"""Whatever way a script takes its steps, perfkit counts them as the script does."""

import pytest

from perfkit.analyze.breakdown import breakdown, headline

pytestmark = pytest.mark.slow


def counts(outcome):
    steps = outcome.steps()
    return len(steps), steps


def test_a_plain_training_loop_has_one_step_per_optimizer_step(record):
    outcome = record("""
        model = net(); opt = torch.optim.SGD(model.parameters(), 0.1)
        for epoch in range(2):
            for x, y in DataLoader(data(), 32):
                opt.zero_grad(); loss = lossf(model(x), y); loss.backward(); opt.step()
    """)
    n, steps = counts(outcome)
    assert n == 20
    assert steps["mode"].unique().to_list() == ["training"]
    assert steps["samples"].to_list() == [32] * 20
    assert {row["name"] for row in breakdown(steps)} >= {"data", "forward", "backward", "optimizer", "other"}
    assert sum(row["share"] for row in breakdown(steps)) == pytest.approx(1.0, abs=1e-6)


def test_gradient_accumulation_counts_micro_steps_inside_a_step(record):
    n, steps = counts(
        record("""
        model = net(); opt = torch.optim.AdamW(model.parameters())
        for i, (x, y) in enumerate(DataLoader(data(640), 16)):
            loss = lossf(model(x), y) / 4; loss.backward()
            if i % 4 == 3:
                opt.step(); opt.zero_grad()
    """)
    )
    assert n == 10
    assert steps["micro_steps"].to_list() == [4] * 10
    assert steps["samples"].to_list() == [64] * 10


def test_two_optimizers_of_a_gan_make_one_step_per_cycle(record):
    n, steps = counts(
        record("""
        g, d = nn.Linear(8, 16), nn.Linear(16, 1)
        og, od = torch.optim.Adam(g.parameters()), torch.optim.Adam(d.parameters())
        for x, _ in DataLoader(data(), 16):
            fake = g(torch.randn(16, 8))
            od.zero_grad(); (d(fake.detach()).mean() - d(x).mean()).backward(); od.step()
            og.zero_grad(); (-d(fake).mean()).backward(); og.step()
    """)
    )
    assert n == 20
    assert steps["samples"].to_list() == [16] * 20


def test_five_critic_steps_per_generator_step_are_one_cycle(record):
    n, _ = counts(
        record("""
        g, d = nn.Linear(8, 16), nn.Linear(16, 1)
        og, od = torch.optim.Adam(g.parameters()), torch.optim.Adam(d.parameters())
        for i in range(60):
            od.zero_grad(); d(g(torch.randn(16, 8)).detach()).mean().backward(); od.step()
            if i % 5 == 4:
                og.zero_grad(); (-d(g(torch.randn(16, 8))).mean()).backward(); og.step()
    """)
    )
    assert n == 12


def test_folds_with_an_optimizer_each_are_segments(record):
    outcome = record("""
        for fold in range(3):
            model = net(); opt = torch.optim.SGD(model.parameters(), 0.1)
            for x, y in DataLoader(data(), 32):
                opt.zero_grad(); lossf(model(x), y).backward(); opt.step()
    """)
    n, steps = counts(outcome)
    assert n == 30
    assert headline(steps)["segments"] == 3


def test_a_grad_scaler_is_seen_also_where_it_skips_the_optimizer(record):
    n, _ = counts(
        record("""
        model = net(); opt = torch.optim.SGD(model.parameters(), 0.1)
        scaler = torch.amp.GradScaler("cpu")
        for i, (x, y) in enumerate(DataLoader(data(), 32)):
            opt.zero_grad()
            with torch.autocast("cpu", torch.bfloat16):
                loss = lossf(model(x), y)
            if i == 3:
                loss = loss * float("inf")
            scaler.scale(loss).backward(); scaler.step(opt); scaler.update()
    """)
    )
    assert n == 10


def test_lbfgs_is_one_step_however_often_it_calls_its_closure(record):
    n, steps = counts(
        record("""
        model = net(); opt = torch.optim.LBFGS(model.parameters(), max_iter=3)
        x, y = data(64).tensors
        def closure():
            opt.zero_grad(); loss = lossf(model(x), y); loss.backward(); return loss
        for _ in range(7):
            opt.step(closure)
    """)
    )
    assert n == 7
    last = steps.tail(3)
    assert (last["forward_ns"] > 0).all()
    assert (last["backward_ns"] > 0).all()
    assert (last["optimizer_ns"] > 0).all()


def test_a_closure_counts_its_forward_and_backward_as_such(record):
    n, steps = counts(
        record("""
        model = net(); opt = torch.optim.SGD(model.parameters(), 0.1)
        for x, y in DataLoader(data(), 32):
            def closure():
                opt.zero_grad(); loss = lossf(model(x), y); time.sleep(0.004); loss.backward(); time.sleep(0.002)
                return loss
            opt.step(closure)
    """)
    )
    assert n == 10
    assert steps["forward_ns"].median() > 3.9e6
    assert 1.9e6 < steps["optimizer_ns"].median() < 3.9e6


def test_hand_written_updates_without_an_optimizer_still_have_steps(record):
    n, steps = counts(
        record("""
        model = net()
        for x, y in DataLoader(data(), 32):
            loss = lossf(model(x), y); loss.backward()
            with torch.no_grad():
                for p in model.parameters():
                    p -= 0.1 * p.grad; p.grad = None
    """)
    )
    assert n == 10
    assert steps["mode"][0] == "training"


def test_tensors_only_without_module_loader_or_optimizer(record):
    n, _ = counts(
        record("""
        w = torch.randn(16, 4, requires_grad=True)
        for _ in range(9):
            loss = (torch.randn(8, 16) @ w).square().mean(); loss.backward()
            w.data -= 0.1 * w.grad; w.grad = None
    """)
    )
    assert n == 9


def test_a_loop_that_makes_its_own_batches_has_no_data_phase(record):
    _, steps = counts(
        record("""
        model = net(); opt = torch.optim.SGD(model.parameters(), 0.1)
        for _ in range(12):
            x, y = torch.randn(24, 16), torch.randint(0, 4, (24,))
            opt.zero_grad(); lossf(model(x), y).backward(); opt.step()
    """)
    )
    assert steps["data_ns"].null_count() == 12
    assert "data" not in {row["name"] for row in breakdown(steps)}
    assert steps["samples"].to_list() == [24] * 12


def test_a_script_that_only_infers_has_a_step_per_outermost_call(record):
    n, steps = counts(
        record("""
        model = net().eval()
        with torch.inference_mode():
            for x, _ in DataLoader(data(), 32):
                model(x)
    """)
    )
    assert n == 10
    assert steps["mode"][0] == "inference"
    assert steps["samples"].to_list() == [32] * 10


def test_a_bound_call_kept_from_before_the_first_call_is_still_the_models(record):
    # transformers' generate() keeps model.__call__ and calls it for every token but the first.
    n, steps = counts(
        record("""
        class Wrapper(nn.Module):
            def __init__(self):
                super().__init__(); self.inner = net()
            def forward(self, x):
                return self.inner(x)
        model = Wrapper().eval()
        kept = model.__call__
        with torch.no_grad():
            for i in range(40):
                (kept if i % 8 else model)(torch.randn(5, 16))
    """)
    )
    assert n == 40
    assert steps["samples"].to_list() == [5] * 40


def test_inference_that_forgot_no_grad_is_still_inference(record):
    n, steps = counts(
        record("""
        model = net().eval()
        for _ in range(20):
            model(torch.randn(5, 16))
    """)
    )
    assert (n, steps["mode"][0]) == (20, "inference")


def test_tokens_are_counted_from_integer_batches(record):
    _, steps = counts(
        record("""
        class Model(nn.Module):
            def __init__(self):
                super().__init__(); self.e = nn.Embedding(50, 8); self.h = nn.Linear(8, 50)
            def forward(self, ids):
                return self.h(self.e(ids))
        model = Model(); opt = torch.optim.AdamW(model.parameters())
        for _ in range(6):
            ids = torch.randint(0, 50, (4, 12))
            loss = lossf(model(ids).flatten(0, 1), ids.flatten()); opt.zero_grad(); loss.backward(); opt.step()
    """)
    )
    assert steps["samples"].to_list() == [4] * 6
    assert steps["tokens"].to_list() == [48] * 6


def test_evaluation_between_epochs_is_its_own_phase_and_no_step(record):
    n, steps = counts(
        record("""
        model = net(); opt = torch.optim.SGD(model.parameters(), 0.1)
        train, val = DataLoader(data(), 32), DataLoader(data(), 32)
        for epoch in range(3):
            model.train()
            for x, y in train:
                opt.zero_grad(); lossf(model(x), y).backward(); opt.step()
            model.eval()
            with torch.no_grad():
                for x, y in val:
                    time.sleep(0.003); model(x)
    """)
    )
    assert n == 30
    assert steps["samples"].to_list() == [32] * 30
    with_evaluation = steps.filter(steps["evaluation_ns"] > 0)
    assert with_evaluation["step"].to_list() == [10, 20]
    assert (with_evaluation["evaluation_ns"] > 29e6).all()
    assert (with_evaluation["duration_ns"] < 20e6).all()


def test_a_frozen_teacher_in_every_step_is_part_of_the_forward(record):
    _, steps = counts(
        record("""
        model, teacher = net(), net().eval(); opt = torch.optim.SGD(model.parameters(), 0.1)
        for x, _ in DataLoader(data(), 32):
            with torch.no_grad():
                target = teacher(x); time.sleep(0.002)
            loss = (model(x) - target).square().mean(); opt.zero_grad(); loss.backward(); opt.step()
    """)
    )
    assert steps["evaluation_ns"].sum() == 0


def test_saves_and_logs_are_named(record):
    _, steps = counts(
        record("""
        import logging, io
        class Slow(logging.StreamHandler):
            def emit(self, record): time.sleep(0.005)
        logging.getLogger("t").addHandler(Slow())
        class File(io.BytesIO):
            def write(self, b): time.sleep(0.002); return super().write(b)
        model = net(); opt = torch.optim.SGD(model.parameters(), 0.1)
        for i, (x, y) in enumerate(DataLoader(data(), 32)):
            if i == 5: torch.save(model.state_dict(), File())
            if i == 7: logging.getLogger("t").warning("hello")
            opt.zero_grad(); lossf(model(x), y).backward(); opt.step()
    """)
    )
    assert steps.filter(steps["checkpoint_ns"] > 2e6)["step"].to_list() == [5]
    assert steps.filter(steps["logging_ns"] > 5e6)["step"].to_list() == [7]


def test_clipping_gradients_is_the_optimizers_however_it_is_called(record):
    _, steps = counts(
        record("""
        from torch.nn.utils import clip_grad_norm_
        model = nn.Linear(16, 4); opt = torch.optim.SGD(model.parameters(), 0.1)
        for i, (x, y) in enumerate(DataLoader(data(), 32)):
            opt.zero_grad(); lossf(model(x), y).backward()
            def some():  # clipping asks for them in its own time
                time.sleep(0.004); yield from model.parameters()
            (clip_grad_norm_ if i % 2 else torch.nn.utils.clip_grad_norm_)(some(), 1.0)
            opt.step()
    """)
    )
    assert (steps["optimizer_ns"] > 4e6).all()


def test_perfkit_step_overrides_what_is_seen(record):
    n, _ = counts(
        record("""
        import perfkit
        model = net(); opt = torch.optim.SGD(model.parameters(), 0.1)
        for i, (x, y) in enumerate(DataLoader(data(), 32)):
            with perfkit.region("tokenize"):
                time.sleep(0.002)
            opt.zero_grad(); lossf(model(x), y).backward(); opt.step()
            if i % 2: perfkit.step()
    """)
    )
    assert n == 5


def test_regions_are_reported_by_name(record):
    from perfkit.analyze.breakdown import regions

    outcome = record("""
        import perfkit
        took = []
        model = net(); opt = torch.optim.SGD(model.parameters(), 0.1)
        for i, (x, y) in enumerate(DataLoader(data(), 32)):
            with perfkit.region("tokenize"):
                before = time.perf_counter(); time.sleep(0.004); took.append(time.perf_counter() - before)
            opt.zero_grad(); lossf(model(x), y).backward(); opt.step()
        print(min(took), max(took))
    """)
    (region,) = regions(outcome.rank, outcome.steps())
    assert region["name"] == "tokenize"
    assert region["calls_per_step"] == 1
    least, most = map(float, outcome.stdout.split())
    assert least <= region["seconds_per_step"] <= most + 20e-6


def test_step_on_a_function_of_the_script(record):
    n, _ = counts(
        record(
            """
        def update(w):
            time.sleep(0.01); return w * 0.9
        time.sleep(0.2)
        w = torch.ones(3)
        for _ in range(8):
            w = update(w)
    """,
            step_on="__main__:update",
        )
    )
    assert n == 8


def test_step_on_a_function_of_a_module_without_torch(record, tmp_path):
    (tmp_path / "mylib.py").write_text("def update(w):\n    return w * 0.9\n")
    outcome = record(
        """
        import mylib
        w = 1.0
        for _ in range(8):
            w = mylib.update(w)
    """,
        prelude=False,
        step_on="mylib:update",
    )
    assert len(outcome.steps()) == 8


SHORT_LOOP = """
sys.modules["_perfkit.inside.session"].SHORT_STEP_NS = 50e6  # a loaded machine makes steps of a millisecond long
model = net(); opt = torch.optim.SGD(model.parameters(), 0.1)
def train(epochs):
    for epoch in range(epochs):
        for x, y in DataLoader(data(), 32):
            opt.zero_grad(); lossf(model(x), y).backward(); opt.step()
def until_short():
    "Train until perfkit marks one step in eight in full."
    session = sys.modules["_perfkit.inside.session"].current
    steps = 0
    while not session.short and steps < 20000:
        train(1); steps += 10
    return steps
"""


def test_short_steps_are_marked_in_full_one_in_eight(record):
    outcome = record(
        """
sys.modules["_perfkit.inside.session"].SHORT_STEP_NS = 50e6  # a loaded machine makes steps of a millisecond long
session = sys.modules["_perfkit.inside.session"].current
model = net(); opt = torch.optim.SGD(model.parameters(), 0.1)
done, short = 0, []  # how many steps, and those that began while steps were short
while len(short) < 200 and done < 20000:
    for x, y in DataLoader(data(), 32):
        opt.zero_grad(); lossf(model(x), y).backward()
        was_short = session.short
        opt.step(); done += 1
        if was_short: short.append(session.steps)
print(done, *short)
"""
    )
    n, steps = counts(outcome)
    done, *short = map(int, outcome.stdout.split())
    assert n == done
    assert len(short) >= 200
    assert steps["samples"].to_list() == [32] * n
    assert steps["detailed"][:16].all()
    sparse = steps.filter(~steps["detailed"])
    assert sparse["step"].to_list() == [step for step in short if step % 8 and step < n]
    assert sparse["data_ns"].null_count() == 0
    assert sparse["forward_ns"].null_count() == len(sparse)
    assert sum(row["share"] for row in breakdown(steps)) == pytest.approx(1.0, abs=1e-6)


def test_an_evaluation_between_short_steps_is_always_marked(record):
    outcome = record(
        SHORT_LOOP
        + """
done = []
for _ in range(3):
    done.append(until_short()); train(1)
    model.eval()
    with torch.no_grad():
        for x, y in DataLoader(data(), 32): time.sleep(0.003); model(x)
    model.train()
train(1)
print(*done)
"""
    )
    _, steps = counts(outcome)
    ends = [int(count) for count in outcome.stdout.split()]
    first = ends[0] + 10
    second = first + ends[1] + 10
    assert steps.filter(steps["evaluation_ns"] > 29e6)["step"].to_list() == [first, second, second + ends[2] + 10]


def test_a_call_in_eval_mode_with_gradients_has_the_steps_marked_in_full_again(record):
    outcome = record(
        SHORT_LOOP
        + """
before = until_short(); train(2)
model.eval(); model(data().tensors[0]); model.train()
train(10)
print(before + 20)
"""
    )
    _, steps = counts(outcome)
    assert steps["detailed"].to_list()[int(outcome.stdout) :] == [True] * 100

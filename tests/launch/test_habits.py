"""Each habit is found in a script that has it, and not in its innocent twin."""

import textwrap

import pytest

from perfkit.launch.habits import FINDERS, habits
from perfkit.launch.habits.source import Source, follow_calls

LOOP = """
for epoch in range(9):
    for x, y in loader:
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()
{inside}
{after}
"""


def found(text):
    source = Source("train.py", textwrap.dedent(text))
    follow_calls([source])
    return habits(source)


def facts(text):
    return {habit.fact for habit in found(text)}


def in_loop(inside="", after=""):
    """A training loop with *inside* in its step, and *after* at the end of each epoch."""
    return LOOP.format(inside=textwrap.indent(inside, " " * 8), after=textwrap.indent(after, " " * 4))


CASES = {
    "item-in-loop": [
        (in_loop("total += loss.item()"), in_loop(after="print(loss.item())")),
        (in_loop("total += float(loss)"), in_loop("total += float(rate)")),
        (in_loop("seen.append(out.detach().cpu().numpy())"), in_loop("if step % 100 == 0: print(loss.item())")),
        (in_loop("print(f'{epoch} {loss:.3f}')"), in_loop("print(f'{epoch}')")),
        ("class Net(nn.Module):\n def forward(self, x):\n  return x * x.mean().item()", "def mean(x): return x.mean().item()"),
        (in_loop("note(loss)") + "\ndef note(loss): log.append(loss.item())", "def note(loss): log.append(loss.item())"),
        ("def train_step(x):\n loss = f(x)\n loss.backward()\n return loss.item()", "def f(x): return x.items()"),
    ],
    "num-workers-zero": [
        ("DataLoader(d, batch_size=2)", "DataLoader(d, num_workers=4)"),
        ("torch.utils.data.DataLoader(d, num_workers=0)", "DataLoader(d, **options)"),
        ("DataLoader(d, 2, True)", "DataLoader(d, 2, True, None, None, args.workers)"),
    ],
    "no-pin-memory": [
        ("DataLoader(d)", "DataLoader(d, pin_memory=True)"),
        ("DataLoader(d, pin_memory=False)", "DataLoader(d, pin_memory=use_cuda)"),
    ],
    "blocking-copy": [
        (in_loop("x = x.to(device)"), in_loop("x = x.to(device, non_blocking=True)")),
        (in_loop("x = x.cuda()"), in_loop("x = x.to(torch.float16)")),
        (in_loop("x = x.to(torch.device('cuda'))"), "model.to(device)"),
        (in_loop("x = x.to(self.device)"), in_loop("x = x.cuda(non_blocking=True)")),
    ],
    "tensor-from-list-in-loop": [
        (in_loop("x = torch.tensor([f(r) for r in rows])"), "x = torch.tensor([f(r) for r in rows])"),
        (in_loop("x = torch.stack([d[i] for i in ix])"), in_loop("w = torch.tensor([0.1, 0.9])")),
        (in_loop("b = []\nfor r in rows: b.append(r)\nx = torch.tensor(b)"), in_loop("x = torch.stack([a, b])")),
        (
            in_loop("x = get_batch()") + "\ndef get_batch(): return torch.tensor([f(r) for r in rows])",
            "class N:\n def forward(self, x): return torch.stack([l(x) for l in self.layers])",
        ),
    ],
    "no-grad-missing": [
        (
            "def evaluate(model):\n model.eval()\n for x in d: y = model(x)",
            "def evaluate(model):\n model.eval()\n with torch.no_grad():\n  for x in d: y = model(x)",
        ),
        (
            "self.net.eval()\nfor x in d: self.net(x)",
            "@torch.inference_mode()\ndef evaluate(net):\n net.eval()\n for x in d: net(x)",
        ),
        (
            in_loop(after="model.eval()\nfor x in d: model(x)\nmodel.train()"),
            "def evaluate(m):\n m.eval()\n return m(x)\nwith torch.no_grad(): evaluate(m)",
        ),
        (
            "model.eval()\nwith torch.no_grad(): a()\nmodel(x)",
            "model.eval()\nfor x in d:\n loss = f(model(x))\n loss.backward()",
        ),
        ("m.eval()\nm(x)", "torch.set_grad_enabled(False)\nm.eval()\nm(x)"),
    ],
    "list-append-loss": [
        (in_loop("losses.append(loss)"), in_loop("losses.append(loss.item())")),
        (in_loop("total += loss"), in_loop("total += loss.detach()")),
        (in_loop("self.losses.append(loss / n)"), in_loop("parts = []\nparts.append(loss)\nsum(parts).backward()")),
        (in_loop("gap = F.mse_loss(a(x), b(x))\ngaps.append(gap)"), in_loop("value = loss.item()\nlosses.append(value)")),
        (in_loop("losses += [1]\ntotal = total\nrunning += loss"), in_loop("l2_loss = f(x)\nloss += l2_loss")),
    ],
    "retain-graph": [("loss.backward(retain_graph=True)", "loss.backward(retain_graph=False)")],
    "print-in-loop": [
        (in_loop("print(step)"), in_loop("if step % 50 == 0:\n    print(step)")),
        (in_loop("print(step)"), in_loop(after="print(epoch)")),
    ],
    "save-in-loop": [
        (in_loop("torch.save(model, 'm.pt')"), in_loop(after="torch.save(model, 'm.pt')")),
        (in_loop("if step % 5 == 0: model.save_pretrained('m')"), in_loop("saved = True")),
    ],
    "gc-collect-in-loop": [(in_loop("gc.collect()"), in_loop(after="gc.collect()"))],
    "empty-cache-in-loop": [(in_loop("torch.cuda.empty_cache()"), "torch.cuda.empty_cache()")],
    "detect-anomaly": [
        ("torch.autograd.set_detect_anomaly(True)", "torch.autograd.set_detect_anomaly(False)"),
        ("with torch.autograd.detect_anomaly(): f()", "torch.autograd.set_detect_anomaly(args.debug)"),
    ],
    "float64": [
        ("x = torch.from_numpy(np.random.rand(9, 2))", "x = torch.from_numpy(np.random.rand(9, 2)).float()"),
        ("a = np.random.randn(9)\nx = torch.tensor(a)", "a = np.random.randn(9).astype('float32')\nx = torch.tensor(a)"),
        ("X, y = load_digits(return_X_y=True)\ntorch.from_numpy(X / 16)\nx = torch.from_numpy(X)", "torch.from_numpy(y)"),
        ("torch.set_default_dtype(torch.float64)", "torch.set_default_dtype(torch.float32)"),
        ("model.double()", "x = np.zeros(4, dtype=np.float32)\ntorch.tensor(x)"),
        ("torch.zeros(3, dtype=torch.float64)", "torch.zeros(3)"),
    ],
    "per-parameter-loop": [
        (
            in_loop("for p in model.parameters():\n    p.data.mul_(0.9)"),
            in_loop("for p in model.parameters():\n    p.requires_grad = False"),
        ),
        (
            in_loop("ema(model)") + "\ndef ema(m):\n for a, b in zip(s, m.parameters()):\n  a.data = d * a.data + b.data",
            "for p in model.parameters():\n nn.init.normal_(p)",
        ),
        (
            "ps = list(model.parameters())\n" + in_loop("for p in ps:\n    n += p.grad.norm()"),
            in_loop("torch._foreach_mul_(list(model.parameters()), 0.9)"),
        ),
    ],
    "softmax-attention": [
        (
            "def forward(self, q, k, v):\n a = q @ k.transpose(-2, -1) * s\n a = a.masked_fill(m, -1e9)\n"
            " a = F.softmax(a, dim=-1)\n a = self.drop(a)\n return a @ v",
            "def forward(self, q, k, v):\n return F.scaled_dot_product_attention(q, k, v)",
        ),
        (
            "def attend(q, k, v):\n return torch.softmax(torch.bmm(q, k.mT) / s, -1) @ v",
            "def classify(x, w):\n return torch.softmax(x @ w.t(), -1)",
        ),
        (
            "def attend(q, k, v):\n s = torch.einsum('bid,bjd->bij', q, k)\n p = s.softmax(-1)\n"
            " return torch.einsum('bij,bjd->bid', p, v)",
            "def attend(q, k, v):\n if fused: return F.scaled_dot_product_attention(q, k, v)\n"
            " a = q @ k.transpose(-2, -1)\n a = F.softmax(a, dim=-1)\n return a @ v",
        ),
    ],
    "dataparallel": [("model = nn.DataParallel(model)", "model = nn.parallel.DistributedDataParallel(model)")],
    "cudnn-deterministic": [
        ("torch.backends.cudnn.deterministic = True", "torch.backends.cudnn.deterministic = False"),
        ("torch.use_deterministic_algorithms(True)", "torch.backends.cudnn.benchmark = True"),
    ],
}  # fmt: skip

TWINS = [(fact, guilty, innocent) for fact, pairs in CASES.items() for guilty, innocent in pairs]


def test_every_habit_has_a_case():
    assert set(CASES) == set(FINDERS)


@pytest.mark.parametrize(("fact", "guilty", "innocent"), TWINS, ids=[fact for fact, _, _ in TWINS])
def test_it_is_found_where_it_is_and_not_in_its_twin(fact, guilty, innocent):
    assert fact in facts(guilty)
    assert fact not in facts(innocent)


def test_a_plain_loop_has_none():
    assert facts(in_loop()) == set()


def test_it_says_where():
    (habit,) = found("class T:\n def fit(self):\n" + textwrap.indent(in_loop("gc.collect()"), "  "))
    assert (habit.function, habit.in_loop, habit.guarded) == ("T.fit", True, False)
    assert habit.line == 10


def test_below_an_if_every_so_many_steps_it_is_guarded():
    (habit,) = found(in_loop("if step % 5 == 4:\n    gc.collect()"))
    assert habit.guarded


def test_the_step_of_accumulated_gradients_is_the_loop_around_the_small_ones():
    text = """
        while step < last:
            for micro in range(4):
                loss = model(x)
                loss.backward()
            optimizer.step()
            gc.collect()
        gc.collect()
    """
    assert [habit.line for habit in found(text)] == [7]


def test_a_closure_belongs_to_the_step_it_is_made_in():
    text = """
        for x in data:
            def closure():
                loss = model(x)
                loss.backward()
                return loss
            optimizer.step(closure)
            print(x)
    """
    assert [habit.fact for habit in found(text)] == ["print-in-loop"]


def test_what_a_step_calls_is_followed_into_other_files():
    train = Source("train.py", in_loop("helpers.note(x)"))
    helpers = Source(
        "helpers.py", "def note(x):\n    deeper(x)\ndef deeper(x):\n    print(x)\ndef other(x):\n    print(x)"
    )
    follow_calls([train, helpers])
    assert [(habit.fact, habit.line) for habit in habits(helpers)] == [("print-in-loop", 4)]

"""The guest disturbs nothing: not the bare interpreter, not the user's modules, path, model, graphs or results."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import perfkit

GUEST_PATH = Path(perfkit.__file__).parent / "inside" / "path"
OLD_PYTHONS = [p for p in Path.home().glob(".pyenv/versions/3.*/bin/python") if "3.6" not in str(p)]


def recompiled(log):
    """Which functions the compiler says it has compiled again."""
    return [line.split("Recompiling function ")[1] for line in log.splitlines() if "Recompiling function " in line]


def bare(code, run_dir, python=sys.executable, guest=True, flags=(), **environment):
    env = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "PERFKIT"))}
    if guest:
        env |= {"PYTHONPATH": str(GUEST_PATH), "PERFKIT_GUEST_RUN": str(run_dir)}
    done = subprocess.run(
        [str(python), *flags, "-c", code], env=env | environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_boot_imports_nothing_that_a_bare_interpreter_does_not_hold(tmp_path):
    code = "import sys; print(sorted(sys.modules))"
    plain = set(eval(bare(code, tmp_path, guest=False)))
    guest = set(eval(bare(code, tmp_path)))
    ours = {name for name in guest - plain if name.startswith("_perfkit")}
    assert guest - plain - ours <= {"sitecustomize"}
    assert (tmp_path / "boots.log").read_text().count("\n") == 1


def test_sys_path_is_as_without_us(tmp_path):
    code = "import sys; print(sys.path)"
    assert bare(code, tmp_path) == bare(code, tmp_path, guest=False)


@pytest.mark.parametrize("python", OLD_PYTHONS or [sys.executable], ids=lambda p: str(p).split("/")[-3])
def test_the_guest_boots_in_other_pythons_in_which_perfkit_is_not_installed(python, tmp_path):
    version = subprocess.run(
        [str(python), "-c", "import sys; print(sys.version_info >= (3, 9))"], capture_output=True, text=True
    ).stdout.strip()
    if version != "True":
        pytest.skip("older than the guest supports")
    assert bare("import sys; print('_perfkit' in sys.modules)", tmp_path, python=python).strip() == "True"
    assert (tmp_path / "boots.log").exists()


def test_guest_sources_parse_as_python_3_9():
    import ast

    root = GUEST_PATH.parent.parent
    files = [
        *root.joinpath("inside").rglob("*.py"),
        root / "runs/recorder.py",
        root / "runs/layout.py",
        root / "runs/__init__.py",
        root / "model/marks.py",
        root / "model/__init__.py",
    ]
    assert len(files) > 10
    for file in files:
        ast.parse(file.read_text(), feature_version=(3, 9))


def test_the_users_own_sitecustomize_runs_too(tmp_path):
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "sitecustomize.py").write_text("import builtins; builtins.mine = 'ran'")
    path = os.pathsep.join([str(GUEST_PATH), str(theirs)])
    out = bare("import sitecustomize; print(mine, sitecustomize.__file__)", tmp_path, PYTHONPATH=path)
    assert out.split() == ["ran", str(theirs / "sitecustomize.py")]


def test_an_error_in_the_users_sitecustomize_is_reported_as_python_does(tmp_path):
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "sitecustomize.py").write_text("raise ValueError('theirs')")
    env = dict(os.environ, PYTHONPATH=os.pathsep.join([str(GUEST_PATH), str(theirs)]), PERFKIT_GUEST_RUN=str(tmp_path))
    done = subprocess.run([sys.executable, "-c", "print('on')"], env=env, capture_output=True, text=True)
    assert done.stdout == "on\n"
    assert "ValueError: theirs" in done.stderr


def test_a_run_directory_that_vanished_costs_nothing(tmp_path):
    assert bare("print('on')", tmp_path / "gone") == "on\n"


def test_a_script_that_never_uses_torch_never_gets_it(tmp_path):
    out = bare("import sys, json; print('torch' in sys.modules, 'numpy' in sys.modules)", tmp_path)
    assert out.split() == ["False", "False"]
    assert not (tmp_path / "guests.jsonl").exists()


def test_a_folder_named_torch_in_the_scripts_directory_is_the_users(tmp_path):
    (tmp_path / "torch.py").write_text("mine = 1")
    done = subprocess.run(
        [sys.executable, "-c", "import torch; print(torch.mine)"],
        cwd=tmp_path,
        text=True,
        capture_output=True,
        env=dict(os.environ, PYTHONPATH=str(GUEST_PATH), PERFKIT_GUEST_RUN=str(tmp_path)),
    )
    assert done.stdout == "1\n"
    assert done.stderr == ""
    assert "failed" in json.loads((tmp_path / "guests.jsonl").read_text())


@pytest.mark.slow
class TestWithTorch:
    def test_the_handshake_says_what_armed(self, record):
        outcome = record("pass")
        (line,) = outcome.run.jsonl("guests.jsonl")
        assert set(line["armed"]) >= {"loader", "backward", "optimizer", "forward", "window"}
        assert line["failed"] == {}
        assert outcome.ranks == []

    def test_results_are_identical_with_and_without(self, record, tmp_path):
        script = """
            model = net(); opt = torch.optim.Adam(model.parameters())
            for epoch in range(3):
                for x, y in DataLoader(data(), 32, shuffle=True, num_workers=epoch):
                    opt.zero_grad(); loss = lossf(model(x), y); loss.backward(); opt.step()
            print([p.double().sum().item() for p in model.parameters()], loss.item())
        """
        with_us = record(script)
        without = record(script, environment={"PYTHONPATH": "", "PERFKIT_GUEST_RUN": ""})
        assert with_us.stdout == without.stdout
        assert len(with_us.steps()) == 30
        assert len(with_us.run.ranks) == 1

    def test_the_model_still_pickles_and_loads(self, record):
        outcome = record("""
            model = net(); opt = torch.optim.SGD(model.parameters(), 0.1)
            for x, y in DataLoader(data(), 32):
                opt.zero_grad(); lossf(model(x), y).backward(); opt.step()
                torch.save(model, "m.pt"); torch.save(opt, "o.pt")
            import copy, pickle
            copy.deepcopy(model); pickle.loads(pickle.dumps(model))
            print(type(torch.load("m.pt", weights_only=False)).__name__, torch.save.__module__, torch.save.__name__)
        """)
        assert outcome.stdout.split() == ["Sequential", "torch.serialization", "save"]

    @pytest.mark.parametrize(
        "how",
        ["model = torch.compile(model, backend='eager')", "model.compile(backend='eager')", "WHOLE = True"],
    )
    @pytest.mark.parametrize("trace_at", ["step:10", "step:38"], ids=["early", "over the recompilation"])
    def test_a_compiled_model_has_the_same_graphs_breaks_and_recompiles(self, record, how, trace_at):
        script = """
            class Model(nn.Module):
                def __init__(self):
                    super().__init__(); self.a = net(); self.b = nn.Linear(4, 4)
                def forward(self, x):
                    return self.b(self.a(x))
            model = Model(); WHOLE = False
            HOW
            opt = torch.optim.Adam(model.parameters())
            @torch.compile(backend="eager")
            def head(x): return x.relu() + 1
            def whole(x, y): return lossf(model(x), y)
            if WHOLE: whole = torch.compile(whole, backend="eager", fullgraph=True)
            for epoch in range(3):
                for x, y in DataLoader(data(640), 32 if epoch < 2 else 16):
                    opt.zero_grad(); loss = whole(x, y) if WHOLE else lossf(head(model(x)), y)
                    loss.backward(); opt.step()
            import torch._dynamo
            c = torch._dynamo.utils.counters
            print({k: dict(v) for k, v in c.items() if k in ("stats", "graph_break", "frames")})
        """.replace("HOW", how)
        logs = {"TORCH_LOGS": "recompiles", "KINETO_LOG_LEVEL": "99"}
        without = record(script, environment={"PYTHONPATH": "", "PERFKIT_GUEST_RUN": ""} | logs)
        with_us = record(script, environment=logs, trace_at=trace_at)
        assert with_us.stdout == without.stdout
        assert recompiled(with_us.stderr) == recompiled(without.stderr)
        assert len(with_us.steps()) == 80
        closed = [w for w in with_us.rank.facts_of("window") if w["state"] == "closed"]
        assert len(closed) == 2

    def test_forked_loader_workers_write_nothing_and_spawned_ones_claim_nothing(self, record):
        outcome = record("""
            class Data(torch.utils.data.Dataset):
                def __init__(self): self.m = net()
                def __len__(self): return 64
                def __getitem__(self, i):
                    with torch.no_grad(): return self.m(torch.randn(1, 16))[0]
            def main():
                model = nn.Linear(4, 4); opt = torch.optim.SGD(model.parameters(), 0.1)
                for method in ("fork", "spawn"):
                    for x in DataLoader(Data(), 16, num_workers=2, multiprocessing_context=method):
                        opt.zero_grad(); model(x).sum().backward(); opt.step()
            if __name__ == "__main__": main()
        """)
        assert len(outcome.steps()) == 8
        assert outcome.rank.name == "rank-00000"

    def test_mp_spawn_ranks_record_each_into_their_own_folder(self, record):
        outcome = record("""
            import torch.distributed as dist, torch.multiprocessing as mp
            def work(rank, world, file):
                dist.init_process_group("gloo", init_method="file://" + file, rank=rank, world_size=world)
                torch.manual_seed(0)
                model = nn.parallel.DistributedDataParallel(net()); opt = torch.optim.SGD(model.parameters(), 0.1)
                for x, y in DataLoader(data(), 32):
                    opt.zero_grad(); lossf(model(x), y).backward(); opt.step()
                dist.barrier()  # gloo aborts, now and then, a rank whose partner has left before it
                del model
                dist.destroy_process_group()
            if __name__ == "__main__":
                mp.spawn(work, args=(2, os.path.abspath("store")), nprocs=2)
        """)
        from perfkit.analyze.steps import derive

        assert [r.name for r in outcome.ranks] == ["rank-00000", "rank-00001"]
        assert [len(derive(r)) for r in outcome.ranks] == [10, 10]
        assert len({r.pid for r in outcome.ranks}) == 2

    def test_a_process_forked_by_the_script_records_for_itself(self, record):
        outcome = record("""
            model = net(); opt = torch.optim.SGD(model.parameters(), 0.1)
            def train(n):
                for _ in range(n):
                    opt.zero_grad(); model(torch.randn(4, 16)).sum().backward(); opt.step()
            train(5)
            pid = os.fork()
            train(3 if pid == 0 else 7)
            if pid == 0: os._exit(0)
            os.waitpid(pid, 0)
        """)
        from perfkit.analyze.steps import derive

        assert {r.name: len(derive(r)) for r in outcome.ranks} == {"rank-00000": 12, "rank-00000.1": 3}

    def test_steps_option_ends_the_recording_and_puts_everything_back(self, record):
        outcome = record(
            """
            before = (nn.Module.__call__, torch.autograd.backward, torch.save, torch.optim.Optimizer.zero_grad)
            model = net(); opt = torch.optim.SGD(model.parameters(), 0.1)
            for x, y in DataLoader(data(), 16):
                opt.zero_grad(); lossf(model(x), y).backward(); opt.step()
            from torch.optim import optimizer
            print("__call__" in vars(nn.Sequential), hasattr(torch.autograd.backward, "__wrapped__"),
                  hasattr(torch.save, "__wrapped__"), len(optimizer._global_optimizer_post_hooks),
                  hasattr(DataLoader.__iter__, "__wrapped__"), hasattr(torch.profiler.profile.__init__, "__wrapped__"))
        """,
            steps=8,
        )
        assert outcome.stdout.split() == ["False", "False", "False", "0", "False", "False"]
        assert len(outcome.steps()) == 8


@pytest.mark.slow
@pytest.mark.parametrize("broken", ["step_ended", "fact", "_look_up", "name_id"])
def test_a_probe_that_breaks_never_raises_into_the_script(record, broken):
    outcome = record(
        """
        import sys, perfkit
        session = sys.modules["_perfkit.inside.session"].current
        def broken(*args, **kwargs): raise RuntimeError("planted")
        model = net(); opt = torch.optim.SGD(model.parameters(), 0.1)
        for i, (x, y) in enumerate(DataLoader(data(), 32)):
            if i == 4: session.BROKEN = broken
            opt.zero_grad(); lossf(model(x), y).backward(); opt.step(); perfkit.step()
        print("done")
    """.replace("BROKEN", broken)
    )
    assert outcome.stdout == "done\n"
    assert outcome.stderr == ""

"""Sessions: `nox` runs lint, types and tests; `nox -s integrations` and `nox -s benchmarks` on demand."""

from pathlib import Path

import nox

nox.options.sessions = ["lint", "types", "tests"]
nox.options.default_venv_backend = "venv"
CONSTRAINTS = ("-c", "constraints.txt")


def install(session, *packages):
    session.install(*CONSTRAINTS, *packages)


@nox.session
def tests(session):
    """All tests but those of third-party libraries, in the tested environment."""
    install(session, "-e", ".[test]")
    session.run("python", "-m", "pytest", *session.posargs)


@nox.session
def lint(session):
    """Style and formatting."""
    install(session, "ruff")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def types(session):
    """Static types, strict, on our own code."""
    install(session, "-e", ".[bench]", "mypy")
    session.run("mypy")


@nox.session
def without_torch(session):
    """Reading and reporting must not need a framework."""
    install(session, "-e", ".", "pytest", "pytest-timeout", "hypothesis")
    session.run("python", "-m", "pytest", "-m", "not slow", *session.posargs)


@nox.session
def integrations(session):
    """The real libraries from PyPI: Lightning, transformers, Accelerate, timm."""
    install(session, "-e", ".[test]")
    session.install(*CONSTRAINTS, "-r", "tests/integrations/requirements.txt")
    # timm imports torchvision, whose wheel does not load beside a CPU-only torch: only timm's own test may find it.
    beside = str(Path(session.create_tmp(), "torchvision").resolve())
    session.install("--no-deps", "timm==1.0.31")
    session.run("python", "-m", "pip", "install", "-q", "--no-deps", "--target", beside, "torchvision==0.28.0")
    tests = ("pytest", "-m", "integration", "tests/integrations", *session.posargs)
    session.run("python", "-m", *tests, env={"TORCHVISION_PATH": beside})


@nox.session
def benchmarks(session):
    """perfkit against its peers; minutes to an hour. `nox -s benchmarks -- overhead` runs one."""
    install(session, "-e", ".[test]")
    for name in session.posargs or ("overhead", "ingest"):
        session.run("python", f"benchmarks/{name}.py", env={"OMP_NUM_THREADS": "1"})

"""Packages and revisions, read without starting an interpreter or importing anything."""

import subprocess
import sys
import venv

import pytest

from perfkit.launch import git, packages


def test_versions_of_our_own_interpreter_are_those_that_import_would_give():
    import numpy

    assert packages.versions(sys.executable)["numpy"] == numpy.__version__


@pytest.fixture
def environment(tmp_path):
    def make(*, system: bool):
        venv.create(tmp_path / "env", with_pip=False, symlinks=True, system_site_packages=system)
        (site,) = (tmp_path / "env").glob("lib/python3*/site-packages")
        info = site / "torch-9.9.9.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: torch\nVersion: 9.9.9\n")
        return str(tmp_path / "env/bin/python")

    return make


def test_another_environments_packages_are_found_by_its_place(environment):
    python = environment(system=False)
    found = packages.versions(python)
    assert found == {"torch": "9.9.9"}


def test_a_damaged_package_is_passed_over(environment, tmp_path):
    python = environment(system=False)
    (info,) = (tmp_path / "env").glob("lib/python3*/site-packages/torch*")
    (info / "METADATA").write_text("")
    assert packages.versions(python) == {}


def test_an_interpreter_of_unknown_place_has_no_versions():
    assert packages.versions("/nowhere/bin/python") == {}


def test_a_folder_outside_any_repository_has_no_revision(tmp_path):
    assert git.revision(tmp_path) == {}


def test_a_clean_repository_a_changed_one_and_a_detached_head(tmp_path):
    run = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run(["git", "init", "-q", "-b", "main", str(tmp_path)], check=True)
    (tmp_path / "f").write_text("1")
    subprocess.run([*run, "add", "f"], check=True)
    subprocess.run([*run, "commit", "-qm", "x"], check=True)
    clean = git.revision(tmp_path)
    assert (clean["branch"], clean["dirty"], clean["remote"]) == ("main", False, None)
    (tmp_path / "f").write_text("2")
    subprocess.run([*run, "checkout", "-q", "--detach"], check=True)
    changed = git.revision(tmp_path)
    assert (changed["revision"], changed["branch"], changed["dirty"]) == (clean["revision"], None, True)


def test_no_program_named_in_a_repository_is_run(tmp_path):
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    planted = tmp_path / "planted"
    script = tmp_path / "monitor.sh"
    script.write_text(f"#!/bin/sh\ntouch {planted}\n")
    script.chmod(0o755)
    subprocess.run(["git", "-C", str(tmp_path), "config", "core.fsmonitor", str(script)], check=True)
    git.revision(tmp_path)
    assert not planted.exists()

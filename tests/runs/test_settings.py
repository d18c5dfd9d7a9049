"""Where runs are kept, by precedence."""

from pathlib import Path

import pytest

from perfkit.errors import UsageError
from perfkit.runs.settings import results_root


@pytest.fixture
def project(tmp_path):
    """A project whose pyproject.toml names a results folder, and a folder inside it."""
    (tmp_path / "pyproject.toml").write_text('[tool.perfkit]\nresults = "out"\n')
    inside = tmp_path / "src" / "deep"
    inside.mkdir(parents=True)
    return inside


def test_the_flag_comes_first(project):
    found = results_root("/flag", start=project, environ={"PERFKIT_RESULTS": "/variable"})
    assert (found.path, found.source) == (Path("/flag"), "--results-dir")


def test_the_variable_comes_before_the_project(project):
    found = results_root(None, start=project, environ={"PERFKIT_RESULTS": "/variable"})
    assert (found.path, found.source) == (Path("/variable"), "PERFKIT_RESULTS")


def test_the_projects_setting_is_relative_to_its_own_folder(project, tmp_path):
    assert results_root(None, start=project, environ={}).path == tmp_path / "out"


def test_the_nearest_pyproject_decides_even_without_a_table(project):
    (project / "pyproject.toml").write_text("[project]\nname = 'inner'\n")
    assert results_root(None, start=project, environ={}).path == project / ".perfkit"


def test_without_any_setting_runs_lie_beside_the_person(tmp_path):
    assert results_root(None, start=tmp_path, environ={}).path == tmp_path / ".perfkit"


def test_an_empty_variable_is_no_setting(tmp_path):
    assert results_root(None, start=tmp_path, environ={"PERFKIT_RESULTS": ""}).path == tmp_path / ".perfkit"


@pytest.mark.parametrize("text", ["[tool.perfkit\n", "[tool.perfkit]\nresults = 3\n", "[tool]\nperfkit = 1\n"])
def test_a_broken_setting_is_named_with_its_file(tmp_path, text):
    (tmp_path / "pyproject.toml").write_text(text)
    with pytest.raises(UsageError, match=r"pyproject\.toml"):
        results_root(None, start=tmp_path, environ={})

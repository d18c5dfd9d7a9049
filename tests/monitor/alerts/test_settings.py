"""Rules and sinks from TOML."""

from pathlib import Path

import pytest

from perfkit.errors import UsageError
from perfkit.monitor.alerts.defaults import default_rules
from perfkit.monitor.alerts.settings import load, rules_of, sinks_of
from perfkit.monitor.alerts.sinks.command import Command
from perfkit.monitor.alerts.sinks.file import File
from perfkit.monitor.alerts.sinks.stderr import Stderr
from perfkit.monitor.alerts.sinks.webhook import Webhook

SECRET = "T0KEN-s3cret"


def project(folder: Path, table: str) -> Path:
    (folder / "pyproject.toml").write_text(f"[tool.perfkit.monitor]\n{table}\n")
    return folder


def test_without_settings_the_built_in_rules_are_told_on_stderr(tmp_path):
    (tmp_path / "pyproject.toml").write_text("")
    found = load(start=tmp_path)
    assert found.rules == default_rules()
    assert [type(sink) for sink in found.sinks] == [Stderr]
    assert found.file is None


def test_rules_and_sinks_of_a_project(tmp_path):
    table = """
        alerts = ["val/loss > 2.5 for 60s", "hang: status hanging for 5m severity warning"]
        sinks = ["stderr", "file:out/alerts.jsonl", "https://chat.example/b", {command = ["sh", "-c", "cat"]},
                 {webhook = "https://chat.example/${HOOK}", headers = {Authorization = "Bearer ${TOKEN}"}, timeout_s = 5}]
    """
    found = load(start=project(tmp_path, table), environ={"HOOK": SECRET, "TOKEN": SECRET})
    assert [rule.name for rule in found.rules][:2] == ["val/loss > 2.5", "hang"]
    assert [rule.severity for rule in found.rules if rule.name == "hang"] == ["warning"]  # in place of the built-in one
    assert [type(sink) for sink in found.sinks] == [Stderr, File, Webhook, Command, Webhook]
    assert found.sinks[1].path == tmp_path / "out/alerts.jsonl"
    assert SECRET not in repr(found)
    assert found.file == tmp_path / "pyproject.toml"


def test_the_built_in_rules_can_be_left_out(tmp_path):
    found = load(start=project(tmp_path, 'default_alerts = false\nalerts = ["loss > 1"]'))
    assert [rule.name for rule in found.rules] == ["train/loss > 1"]


@pytest.mark.parametrize("head", ["", "[tool.perfkit.monitor]\n"])
def test_a_file_of_one_s_own_is_read_with_and_without_the_table(tmp_path, head):
    file = tmp_path / "alerts.toml"
    file.write_text(head + 'alerts = ["loss > 1"]\ndefault_alerts = false\n')
    assert [rule.name for rule in load(file).rules] == ["train/loss > 1"]


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ('alerts = ["loss > 1", "loss > "]', 'alerts[2], alert rule \'loss > \', column 8: it ends where a number is wanted'),
        ('alerts = "loss > 1"', "alerts must be a list"),
        ("alerts = [1]", "alerts[1]: an alert is a text"),
        ('alerts = ["a: loss > 1", "a: loss > 2"]', "alerts[2]: there is an alert 'a' already"),
        ("default_alerts = 1", "default_alerts must be true or false"),
        ('sinks = ["pager"]', "sinks[1]: 'pager' is no kind of sink; write \"stderr\""),
        ('sinks = ["s3cret://x.example"]', "sinks[1]: that is no kind of sink"),
        ("sinks = [{}]", "a sink has one of file, webhook, command"),
        ('sinks = [{webhook = "ftp://x/s3cret"}]', "the address is no http:// or https:// URL"),
        ('sinks = [{webhook = "https://x/${NO_SUCH}"}]', "the variable NO_SUCH is not set"),
        ('sinks = [{webhook = "https://x/", header = {}}]', "header is no part of a webhook sink; there are: headers"),
        ('sinks = [{webhook = "https://x/", headers = {A = "s3cret\\nB"}}]', "a header is not one line of text"),
        ('sinks = [{webhook = "https://x/", timeout_s = -1}]', "timeout_s must be a number above 0"),
        ('sinks = [{command = "rm -r s3cret"}]', "command is a list of strings"),
        ('sinks = [{command = ["no-such-program-here"]}]', "there is no such program"),
    ],
)  # fmt: skip
def test_a_mistake_is_answered_with_the_file_the_key_and_the_next_step(tmp_path, table, said):
    with pytest.raises(UsageError) as caught:
        load(start=project(tmp_path, table), environ={})
    assert said in str(caught.value)
    assert str(tmp_path / "pyproject.toml") in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_a_file_that_is_not_there_or_has_other_keys(tmp_path):
    with pytest.raises(UsageError, match="give the TOML file"):
        load(tmp_path / "none.toml")
    (tmp_path / "a.toml").write_text("alert = []")
    with pytest.raises(UsageError, match="alert is not known; there are: alerts, default_alerts, sinks"):
        load(tmp_path / "a.toml")


def test_a_flag_goes_before_the_table_and_the_table_before_what_is_built_in(tmp_path):
    table = {"alerts": ["hang: status hanging for 5m", "high: loss > 9"], "sinks": ["stderr"]}
    rules = rules_of(table, "here", flags=["high: loss > 1", "acc < 0.5"])
    assert [str(rule) for rule in rules[:3]] == [
        "high: train/loss > 1",
        "train/accuracy < 0.5",
        "hang: status hanging for 300s",
    ]
    assert len(rules) == 2 + len(default_rules())
    assert [type(sink) for sink in sinks_of(table, "here", tmp_path, flags=["file:a.jsonl"])] == [Stderr, File]
    assert [type(sink) for sink in sinks_of({}, "here", None, flags=["file:a.jsonl"])] == [File]
    assert sinks_of({"sinks": []}, "here", None) == []  # nobody is to be told
    with pytest.raises(UsageError, match="--alert, alert rule 'loss >', column 7: it ends where a number is wanted"):
        rules_of({}, "here", flags=["loss >"])

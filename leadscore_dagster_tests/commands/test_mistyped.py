"""What a person mistypes ends in one line and exit code 1: exit code 2 says that a gate refused, and nothing else."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from leadscore_dagster import cli
from leadscore_dagster.core.errors import GateRefused


def ended(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    monkeypatch.setattr(sys, "argv", ["leadscore", *arguments])
    with pytest.raises(SystemExit) as left:
        cli.main()
    said = capfd.readouterr()
    return int(left.value.code or 0), said.out + said.err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["scroe", "advisor_mql"], "No such command 'scroe'"),
        (["run"], "Missing argument"),
        (["score", "advisor_mql", "--dya", "2026-01-01"], "No such option"),
        (["demo", "--leads", "0"], "Error: 0 leads make no market, in --leads. Remedy: ask for 500 or more"),
        (["demo", "--leads", "-5"], "make no market"),
        (["champion", "advisor_mql", "--home", "{missing}"], "Error: There is no home, in {missing}. Remedy: check"),
        (["monitor", "advisor_mql", "--home", "{missing}"], "Error: There is no home"),
        (["prune", "advisor_mql", "--home", "{missing}"], "Error: There is no home"),
        (["score", "advisor_mql", "--home", "{file}"], "Error: The home is a file, not a folder, in {file}"),
        (["run", "advisor_mql", "--home", "{file}/below"], "Error: The home is a file, not a folder, in {file}"),
        (["score", "advisor_mql", "--home", "{broken}"], "Error: The file cannot be read as YAML, in {broken}"),
        (["score", "advisor_mql", "--home", "{listed}"], "Error: The file is not a mapping of recipes"),
    ],
)
def test_a_mistake_is_one_line_and_no_refusal(
    arguments: list[str],
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    places = {name: tmp_path / name for name in ("missing", "file", "broken", "listed")}
    places["file"].write_text("no folder")
    for name, text in (("broken", "a: [1, 2"), ("listed", "- a\n- b\n")):
        places[name].mkdir()
        (places[name] / "sources.yaml").write_text(text)
    monkeypatch.setenv("LEADSCORE_HOME", str(tmp_path / "home"))
    code, said = ended(monkeypatch, capfd, *(argument.format(**places) for argument in arguments))
    assert told.format(**places) in said
    assert "Traceback" not in said
    assert code == 1
    assert not places["missing"].exists()


def test_a_refusal_alone_ends_with_2(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    def refuse(**_: object) -> None:
        raise GateRefused("auc_roc is too low")

    monkeypatch.setattr(cli, "app", refuse)
    assert ended(monkeypatch, capfd, "run", "advisor_mql") == (2, "Refused: auc_roc is too low\n")


def test_the_bare_command_shows_its_help(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    code, said = ended(monkeypatch, capfd)
    assert code == 0
    assert "Usage" in said

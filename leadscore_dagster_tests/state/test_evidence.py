"""Remembered evidence is for exactly the content and code it was computed on."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from leadscore_dagster.core.state import code, evidence
from leadscore_dagster.core.warehouse import Lake


def _answers(lake: Lake, content: str, answer: int) -> int:
    return int(evidence.remembered(lake, "table_2024-01-01", content, lambda: [{"answer": answer}])[0]["answer"])


def test_the_same_content_is_not_computed_again_and_another_is(tmp_path: Path) -> None:
    lake = Lake(tmp_path, "world")
    assert _answers(lake, "first", 1) == 1
    assert _answers(lake, "first", 2) == 1
    assert _answers(lake, "second", 2) == 2


@pytest.fixture
def edited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], bool]]:
    """Edit a module of a copy of the package; whether that changes the fingerprint of the same data."""
    copy = tmp_path / "leadscore_dagster"
    shutil.copytree(code.ROOT / "leadscore_dagster", copy, ignore=shutil.ignore_patterns("__pycache__"))

    def change(module: str) -> bool:
        answers = []
        for text in ("", "\nRULE = 2\n"):
            with (copy / module).open("a") as file:
                file.write(text)
            code._digest.cache_clear()
            answers.append(evidence.fingerprint("data"))
        return answers[0] != answers[1]

    monkeypatch.setattr(code, "ROOT", tmp_path)
    yield change
    code._digest.cache_clear()


@pytest.mark.parametrize(
    "module",
    [
        "core/audit/verdict.py",
        "core/audit/restatement/measure.py",
        "core/audit/__init__.py",
        "core/sources/checks.py",
        "core/sources/log_checks.py",
        "core/warehouse/dialect.py",  # imported by those alone
        "core/table/labels.py",
    ],
)
def test_editing_what_an_answer_is_computed_by_changes_its_fingerprint(
    edited: Callable[[str], bool], module: str
) -> None:
    assert edited(module)


@pytest.mark.parametrize(
    "module", ["core/pages/audit/matrix.py", "core/scoring/score.py", "core/modelling/calibration.py", "cli.py"]
)
def test_editing_what_no_answer_depends_on_leaves_every_fingerprint(edited: Callable[[str], bool], module: str) -> None:
    assert not edited(module)


def test_a_model_depends_on_the_code_that_trains_it() -> None:
    depended = {path.relative_to(code.ROOT).as_posix() for path in code.closure(code.ROOT, code.MODELS)}
    parts = {name.split("/")[2] for name in depended if name.count("/") > 1}
    assert {"modelling", "table", "audit"} <= parts
    assert not {"pages", "scoring", "simulation", "monitoring"} & parts


def test_what_an_answer_depends_on_is_what_python_loads_for_it() -> None:
    """Followed by source, and held against what an interpreter has loaded after it ran those modules."""
    program = (
        "import importlib, pkgutil, sys\n"
        "for name in sys.argv[1:]:\n"
        "    found = importlib.import_module(name)\n"
        "    for one in pkgutil.walk_packages(getattr(found, '__path__', []), f'{name}.'):\n"
        "        importlib.import_module(one.name)\n"
        "print('\\n'.join(m.__file__ for n, m in sys.modules.items() if n.split('.')[0] == 'leadscore_dagster'))\n"
    )
    done = subprocess.run([sys.executable, "-c", program, *code.JUDGING], capture_output=True, text=True, check=True)
    assert {Path(line) for line in done.stdout.split()} <= set(code.closure(code.ROOT, code.JUDGING))

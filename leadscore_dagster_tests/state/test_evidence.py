"""Remembered evidence is for exactly the content and code it was computed on."""

from __future__ import annotations

from pathlib import Path

import pytest

from leadscore_dagster.core.state import evidence
from leadscore_dagster.core.warehouse import Lake


def _answers(lake: Lake, content: str, answer: int) -> int:
    return int(evidence.remembered(lake, "table_2024-01-01", content, lambda: [{"answer": answer}])[0]["answer"])


def test_the_same_content_is_not_computed_again_and_another_is(tmp_path: Path) -> None:
    lake = Lake(tmp_path, "world")
    assert _answers(lake, "first", 1) == 1
    assert _answers(lake, "first", 2) == 1
    assert _answers(lake, "second", 2) == 2


def test_a_change_of_the_core_changes_every_fingerprint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "audit.py").write_text("RULE = 1\n")
    monkeypatch.setattr(evidence, "_CORE", tmp_path)
    evidence.code_digest.cache_clear()
    before = evidence.fingerprint("data")
    (tmp_path / "audit.py").write_text("RULE = 2\n")
    evidence.code_digest.cache_clear()
    after = evidence.fingerprint("data")
    evidence.code_digest.cache_clear()
    assert before != after

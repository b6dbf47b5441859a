"""What the documents name exists: links, headings, paths, commands, options, the keys of a recipe, examples.

Lives here: what can be looked up. Not here: whether what they say about it is true.
"""

from __future__ import annotations

import ast
import re
from enum import Enum
from pathlib import Path

import pytest
import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from leadscore_dagster.cli import app
from leadscore_dagster.commands.outcome import DONE
from leadscore_dagster.commands.validate import validate_recipe
from leadscore_dagster.core.recipe import contract, schema

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "leadscore_dagster"
DOCUMENTS = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
#: a path of the repository, written as code: `docs/recipes.md`, `core/clock.py`
PATH = re.compile(
    r"`((?:leadscore_dagster|leadscore_dagster_tests|core|defs|commands|sql|benchmarks|docs|deploy)/[\w./-]*)`"
)
COMMAND = re.compile(r"(?<!lib/)\bleadscore ([a-z][a-z-]*)((?:[^`\n]|\\\n)*)")
OPTION = re.compile(r"(?<!\S)--[a-z][a-z-]*")
COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]
MOST_LINES_OF_README = 200
#: heading in docs/recipes.md, and the part of the schema whose keys stand under it
SECTIONS: dict[str, type[BaseModel]] = {
    "The recipe": schema.Recipe,
    "`sources:` of kind vintage": schema.VintageSource,
    "`sources:` of kind log": schema.LogSource,
    "`decisions:`": schema.Decisions,
    "`label:` of kind window": schema.WindowLabel,
    "`label:` of kind column": schema.ColumnLabel,
    "`features:`": schema.Features,
    "`model:`": schema.Model,
    "`model.periods:`": schema.Periods,
    "`model.filters:`": schema.Filters,
    "`model.categories:`": schema.Categories,
    "`model.search:`": schema.Search,
    "`model.segments:`": schema.Segment,
    "`model.base_rate:`": schema.BaseRate,
    "`gates:`": schema.Gate,
    "`promotion:`": schema.Promotion,
    "`scoring:`": schema.Scoring,
    "`scoring.buckets:`": schema.Bucket,
    "`acknowledged:`": schema.Acknowledgement,
    "`automation:`": schema.Automation,
    "`automation.retention:`": schema.Retention,
    "`shadow:`": schema.Shadow,
    "`monitoring:`": schema.Monitoring,
    "A contract": contract.Contract,
    "A column of a contract": contract.Column,
}

of_every_document = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)


def _slug(heading: str) -> str:
    """The anchor GitHub makes of a heading."""
    kept = re.sub(r"[^\w\- ]", "", heading.strip().lower().replace("`", ""))
    return kept.replace(" ", "-")


def _anchors(document: Path) -> set[str]:
    outside_code = re.sub(r"```.*?```", "", document.read_text(encoding="utf-8"), flags=re.DOTALL)
    return {_slug(heading) for heading in re.findall(r"^#+ (.+)$", outside_code, re.MULTILINE)}


def _code(document: Path) -> list[str]:
    """Everything set as code: blocks, and pieces within a line."""
    text = document.read_text(encoding="utf-8")
    blocks = re.findall(r"```\w*\n(.*?)```", text, flags=re.DOTALL)
    return blocks + re.findall(r"`([^`]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))


@of_every_document
def test_every_relative_link_leads_to_a_file_and_a_heading(document: Path) -> None:
    for target in LINK.findall(document.read_text(encoding="utf-8")):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        file = (document.parent / name).resolve() if name else document
        assert file.exists(), f"{target} in {document.name}"
        if anchor:
            assert anchor in _anchors(file), f"{target} in {document.name}"


@of_every_document
def test_every_path_of_the_repository_exists(document: Path) -> None:
    for path in PATH.findall(document.read_text(encoding="utf-8")):
        places = (ROOT / path, ROOT / "leadscore_dagster" / path)
        assert any(place.exists() for place in places), f"{path} in {document.name}"


@of_every_document
def test_every_command_and_option_is_one_of_the_command_line(document: Path) -> None:
    for piece in _code(document):
        for name, rest in COMMAND.findall(piece.replace("\\\n", " ")):
            assert name in COMMANDS, f"leadscore {name} in {document.name}"
            known = {option for parameter in COMMANDS[name].params for option in parameter.opts} | {"--help"}
            unknown = set(OPTION.findall(rest.partition("#")[0].partition("&&")[0])) - known
            assert not unknown, f"leadscore {name} {unknown} in {document.name}"


@pytest.mark.parametrize("target", ["demo", "test", "rehearse", "ui", "lint", "clean"])
def test_every_target_the_readers_are_told_of_is_in_the_makefile(target: str) -> None:
    named = any(f"make {target}" in document.read_text(encoding="utf-8") for document in DOCUMENTS)
    assert named, f"no document names make {target}"
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)


def test_the_readme_stays_short_enough_to_be_read() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) < MOST_LINES_OF_README


def test_the_documents_are_found() -> None:
    assert len(DOCUMENTS) >= 8
    assert sum(len(COMMAND.findall(piece)) for document in DOCUMENTS for piece in _code(document)) > 30


def test_every_key_of_a_recipe_stands_in_its_document_with_the_default_it_has() -> None:
    stated = _stated_keys((ROOT / "docs" / "recipes.md").read_text(encoding="utf-8"))
    assert stated.keys() == SECTIONS.keys()
    for heading, model in SECTIONS.items():
        assert stated[heading] == {name: _default(field) for name, field in model.model_fields.items()}, heading


def _stated_keys(text: str) -> dict[str, dict[str, str]]:
    """Heading to (key to default), of the tables under "All keys"."""
    found: dict[str, dict[str, str]] = {}
    for section in text.partition("\n## All keys\n")[2].split("\n### ")[1:]:
        heading, _, body = section.partition("\n")
        found[heading] = dict(re.findall(r"^\| `(\w+)` \| (.*?) \| .+ \|$", body, re.MULTILINE))
    return found


def _default(field: FieldInfo) -> str:
    """A default as the document writes it."""
    if field.is_required():
        return "*required*"
    value = field.get_default(call_default_factory=True)
    value = value.value if isinstance(value, Enum) else value
    if isinstance(value, BaseModel):
        return "see below"
    if value is None or value == "":
        return "–" if value is None else "empty"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`[{', '.join(value)}]`" if isinstance(value, tuple) else f"`{value}`"


@pytest.mark.parametrize("example", sorted((ROOT / "docs" / "examples").glob("*/recipe.yaml")), ids=str)
def test_every_example_is_a_valid_recipe(example: Path) -> None:
    assert validate_recipe(str(example)).exit_code == DONE


def test_the_example_in_the_document_is_the_one_that_is_validated() -> None:
    shown = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / "recipes.md").read_text(encoding="utf-8"), re.DOTALL)
    for example in (ROOT / "docs" / "examples").glob("*/recipe.yaml"):
        assert example.read_text(encoding="utf-8") in shown


def test_every_module_says_what_does_not_live_in_it() -> None:
    modules = [path for path in PACKAGE.rglob("*.py") if path.stem not in ("__init__", "__main__")]
    unsaid = [path for path in modules if "Not here:" not in " ".join(_docstring(path).split())]
    assert not unsaid


def _docstring(path: Path) -> str:
    return ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""

"""SQL files: finding them, reading their declared parameters, and joining several into one statement.

A file under `sql/` holds one GoogleSQL SELECT and is sent to the engine as written. Its stem is its relation
name: `FROM rep_firm_base` in one file reads `sql/features/rep_firm_base.sql`, inlined as a leading CTE.
Files under `sql/audits` select violating rows; nothing reads them. Parameters are declared at the top:

    -- parameter: as_of DATE
    -- parameter: window_days INT64

Not here: translation (dialect.py) and running (an engine).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.files import shipped
from leadscore_dagster.core.text import did_you_mean
from leadscore_dagster.core.warehouse.dialect import translate

_NAME = re.compile(r"[a-z0-9_]+(/[a-z0-9_]+)*")
_PARAMETER = re.compile(r"^-- *parameter: *(\w+) +([A-Z0-9]+|ARRAY<[A-Z0-9]+>) *$", re.MULTILINE)
_TYPES = frozenset({"BOOL", "DATE", "FLOAT64", "INT64", "STRING", "TIMESTAMP"})
_AUDITS = "audits/"


def sql_folder() -> Path:
    """Where the SQL files are: `sql/` of the repository, or the copy inside an installed wheel."""
    return shipped("sql")


def statements(folder: Path | None = None) -> list[str]:
    """Names of all SQL files, such as `features/m5_engineered`, sorted."""
    root = folder or sql_folder()
    return sorted(path.relative_to(root).with_suffix("").as_posix() for path in root.rglob("*.sql"))


def statement(name: str, folder: Path | None = None) -> str:
    """Text of one SQL file, unchanged. Raises InputError for a name no file has."""
    root = folder or sql_folder()
    path = root / f"{name}.sql"
    if not _NAME.fullmatch(name) or not path.is_file():
        hint = did_you_mean(name, statements(root))
        raise InputError(f"no SQL file is named {name!r}{hint}", where=root)
    return path.read_text(encoding="utf-8")


def relations(folder: Path | None = None) -> dict[str, str]:
    """Relation name to statement name, for every file another file may read (all but the audits).

    Raises InputError if two files have the same stem.
    """
    found: dict[str, str] = {}
    for name in statements(folder):
        stem = name.rpartition("/")[2]
        if name.startswith(_AUDITS):
            continue
        if stem in found:
            raise InputError(f"{found[stem]}.sql and {name}.sql have the same name", remedy="rename one")
        found[stem] = name
    return found


def parameters(name_or_text: str, folder: Path | None = None) -> dict[str, str]:
    """Declared parameters and their GoogleSQL types, of a file or of a (composed) text."""
    text = _text(name_or_text, folder)
    declared: dict[str, str] = {}
    for parameter, type_name in _PARAMETER.findall(text):
        if type_name.removeprefix("ARRAY<").removesuffix(">") not in _TYPES:
            raise InputError(f"parameter {parameter} has the unknown type {type_name}")
        if declared.setdefault(parameter, type_name) != type_name:
            raise InputError(f"parameter {parameter} is declared as {declared[parameter]} and as {type_name}")
    return declared


def compose(name_or_text: str, readable: Mapping[str, str] | None = None, folder: Path | None = None) -> str:
    """One statement in which the files it reads, and the files those read, are leading CTEs.

    Parameters
    ----------
    name_or_text : a statement name (`features/m5_engineered`) or GoogleSQL text.
    readable : relation name to statement name; all files but the audits when left out.
    folder : where the SQL files are.

    Raises InputError for a file that reads itself, directly or through others.
    """
    names = relations(folder) if readable is None else readable
    text = _text(name_or_text, folder)
    stems = {name: stem for stem, name in names.items()}
    texts = {relation: statement(name, folder) for relation, name in names.items()}
    for relation, body in texts.items():
        if relation in _reads(body):
            raise InputError(f"{names[relation]}.sql reads itself", remedy="rename the file or the table")
    own = stems.get(name_or_text)
    return with_relations(text, {relation: body for relation, body in texts.items() if relation != own})


def with_relations(text: str, texts: Mapping[str, str]) -> str:
    """`text` preceded by those of `texts` (relation name to SELECT) it reads, each once, in dependency order.

    A relation may read the stored table of its own name; relations that read each other in a circle raise
    InputError. Every text is kept as written; nothing to inline returns `text` itself.
    """
    ordered: list[str] = []

    def visit(body: str, path: tuple[str, ...]) -> None:
        for name in _reads(body):
            if name not in texts or name in ordered or path[-1:] == (name,):
                continue
            if name in path:
                raise InputError(f"relations read each other: {' -> '.join((*path, name))}")
            visit(texts[name], (*path, name))
            ordered.append(name)

    visit(text, ())
    if not ordered:
        return text
    leading = ",\n".join(f"{name} AS (\n{texts[name].rstrip()}\n)" for name in ordered)
    return f"WITH {leading}\nSELECT * FROM (\n{text.rstrip()}\n)\n"


@lru_cache(maxsize=512)
def _reads(text: str) -> tuple[str, ...]:
    return translate(text).tables


def _text(name_or_text: str, folder: Path | None) -> str:
    return statement(name_or_text, folder) if _NAME.fullmatch(name_or_text) else name_or_text

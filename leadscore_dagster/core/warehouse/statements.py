"""SQL files: finding them along a search path, reading their parameters, and joining several into one statement.

A file holds one GoogleSQL SELECT and is sent to the engine as written. Its name is its place under a folder of the
search path (`features/known_rep`); the first folder that has the name gives it. Its stem is its relation name: `FROM
known_rep` in one file reads it, inlined as a leading CTE. Files under `audits/` select violating rows; nothing reads
them. Parameters are declared at the top:

    -- parameter: as_of DATE
    -- parameter: window_days INT64

Not here: which folders a recipe searches (core/table/recipe_sql), translation (dialect.py) and running (an engine).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.files import shipped
from leadscore_dagster.core.text import did_you_mean
from leadscore_dagster.core.warehouse.dialect import translate
from leadscore_dagster.core.warehouse.lint import lint

#: the library every search path ends in: what names no vendor's table, key or source
PRODUCT = "product"
_NAME = re.compile(r"[a-z0-9_]+(/[a-z0-9_]+)*")
_PARAMETER = re.compile(r"^-- *parameter: *(\w+) +([A-Z0-9]+|ARRAY<[A-Z0-9]+>) *$", re.MULTILINE)
_TYPES = frozenset({"BOOL", "DATE", "FLOAT64", "INT64", "STRING", "TIMESTAMP"})
_AUDITS = "audits/"


@dataclass(frozen=True)
class SqlPath:
    """Where statements are looked for: the first of ``folders`` that has a name gives it.

    ``written``: (name, text) of statements that are written from a recipe instead of lying in a file.
    """

    folders: tuple[Path, ...]
    written: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        return ", ".join(map(str, self.folders))

    def find(self, name: str, suffix: str = ".sql") -> Path | None:
        """The file of that name; None if no folder has it."""
        if not _NAME.fullmatch(name):
            return None
        return next((path for folder in self.folders if (path := folder / f"{name}{suffix}").is_file()), None)

    def names(self, under: str = "", suffix: str = ".sql") -> list[str]:
        """Names of all files below the folder ``under`` of any folder, such as `features/m5_engineered`, sorted."""
        return sorted({name for folder in self.folders for name in _names_in(folder, under, suffix)})


def sql_folder() -> Path:
    """Where the libraries of the installation are: `sql/` of the repository, or the copy inside an installed wheel."""
    return shipped("sql")


def libraries() -> list[str]:
    """Names of the installation's SQL libraries a recipe may name, sorted; `product` is always searched."""
    return sorted(path.name for path in sql_folder().iterdir() if path.is_dir() and path.name != PRODUCT)


def statements(path: SqlPath) -> list[str]:
    """Names of all statements that can be found, such as `features/m5_engineered`, sorted."""
    return sorted({*path.names(), *(name for name, _ in path.written)})


def statement(name: str, path: SqlPath) -> str:
    """Text of one statement, unchanged.

    Raises InputError for a name nothing has, and for a file outside the installation that uses a construct the engines
    do not share.
    """
    file = path.find(name)
    if file is not None:
        return _read(file)
    for written, text in path.written:
        if written == name:
            return text
    remedy = "write the file, or name a library that has it under libraries"
    raise InputError(f"no SQL file is named {name!r}{did_you_mean(name, statements(path))}", where=path, remedy=remedy)


def relations(path: SqlPath) -> dict[str, str]:
    """Relation name to statement name, for every statement another may read (all but the audits).

    The first folder with a stem gives the relation. Raises InputError if two files of one folder have the same stem.
    """
    found = {name.rpartition("/")[2]: name for name, _ in path.written}
    for folder in reversed(path.folders):
        own: dict[str, str] = {}
        for name in sorted(_names_in(folder)):
            stem = name.rpartition("/")[2]
            if name.startswith(_AUDITS):
                continue
            if stem in own:
                raise InputError(
                    f"{own[stem]}.sql and {name}.sql have the same name", where=folder, remedy="rename one of them"
                )
            own[stem] = name
        found |= own
    return dict(sorted(found.items()))


def parameters(text: str) -> dict[str, str]:
    """Declared parameters of a (composed) statement and their GoogleSQL types."""
    declared: dict[str, str] = {}
    for parameter, type_name in _PARAMETER.findall(text):
        if type_name.removeprefix("ARRAY<").removesuffix(">") not in _TYPES:
            raise InputError(f"parameter {parameter} has the unknown type {type_name}")
        if declared.setdefault(parameter, type_name) != type_name:
            raise InputError(f"parameter {parameter} is declared as {declared[parameter]} and as {type_name}")
    return declared


def compose(name_or_text: str, path: SqlPath) -> str:
    """One statement in which the statements it reads, and those they read, are leading CTEs.

    Parameters
    ----------
    name_or_text : a statement name (`features/m5_engineered`) or GoogleSQL text.
    path : where statements are looked for.

    Raises InputError for a statement that reads itself, directly or through others, and as ``statement``.
    """
    names = relations(path)
    text = statement(name_or_text, path) if _NAME.fullmatch(name_or_text) else name_or_text
    stems = {name: stem for stem, name in names.items()}
    texts = {relation: statement(name, path) for relation, name in names.items()}
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


def _names_in(folder: Path, under: str = "", suffix: str = ".sql") -> list[str]:
    found = []
    for path in (folder / under).rglob(f"[!.]*{suffix}"):
        name = path.relative_to(folder).with_suffix("").as_posix()
        if not _NAME.fullmatch(name):
            raise InputError(
                f"{path.name!r} cannot be the name of a statement", where=path, remedy="use a-z, 0-9 and _ alone"
            )
        found.append(name)
    return found


def _read(file: Path) -> str:
    """What lies outside the installation is linted whenever it is read; shipped files are linted by the tests."""
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError("the file is not UTF-8 text", where=file, remedy="save it as UTF-8") from error
    if not file.is_relative_to(sql_folder()):
        findings = _lint(text)
        if findings:
            more = f" (and {len(findings) - 1} more)" if len(findings) > 1 else ""
            raise InputError(f"{findings[0]}{more}", where=file, remedy="write it so that every engine reads the same")
    return text


@lru_cache(maxsize=512)
def _lint(text: str) -> tuple[str, ...]:
    return tuple(lint(text))

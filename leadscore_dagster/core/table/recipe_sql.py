"""Where a recipe's SQL is looked for: its own folder, the libraries it names, what the product brings.

Lives here: that search path, and the names SQL may not take. Not here: reading files and joining them
(core/warehouse/statements), whether a statement fits the recipe (sql_check).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.recipe.schema import Recipe
from leadscore_dagster.core.table.vintages import CALENDAR, vintage_calendar
from leadscore_dagster.core.text import did_you_mean
from leadscore_dagster.core.warehouse import SqlPath, relations
from leadscore_dagster.core.warehouse.statements import PRODUCT, libraries, sql_folder

#: relations that every recipe has, whatever its SQL says
GIVEN = frozenset(
    {"decisions", "decision_log", "labels", "training_table", "features", "statistics", CALENDAR.rpartition("/")[2]}
)
_LIBRARY = re.compile(r"[a-z0-9_]+")


def sql_of(recipe: Recipe) -> SqlPath:
    """The search path of a recipe: the folder ``sql`` beside it, its libraries in order, then ``sql/product``.

    Raises
    ------
    InputError : a library that does not exist; a file or a source's table named like a relation every recipe has; a
        source's table named like a file that other statements read.
    """
    own = own_sql(recipe)
    folders = [*([own] if own else []), *(_library(recipe, name) for name in recipe.libraries), sql_folder() / PRODUCT]
    path = SqlPath(tuple(dict.fromkeys(folders)), ((CALENDAR, vintage_calendar(recipe)),))
    for mistake in _taken(recipe, path):
        raise mistake
    return path


def own_sql(recipe: Recipe) -> Path | None:
    """The recipe's own SQL folder; None if it has none."""
    folder = recipe.folder / "sql" if recipe.folder else None
    return folder if folder and folder.is_dir() else None


def _library(recipe: Recipe, name: str) -> Path:
    """A plain word is a library of the installation; anything else is a path, and so may be a folder of that name."""
    if _LIBRARY.fullmatch(name):
        if name in libraries():
            return sql_folder() / name
        known = libraries()
        raise InputError(
            f"there is no SQL library {name!r}{did_you_mean(name, known)}",
            where=f"{sql_folder()}, named by recipe {recipe.name}",
            remedy=f"use one of {', '.join(known)}, or a path relative to the recipe, such as ./{name}",
        )
    folder = (recipe.folder / name).resolve() if recipe.folder else Path(name)
    if not folder.is_dir():
        raise InputError(
            f"the SQL library {name!r} of recipe {recipe.name} is no folder",
            where=folder,
            remedy="write its path relative to the recipe",
        )
    return folder


def _taken(recipe: Recipe, path: SqlPath) -> Iterator[InputError]:
    read = relations(path)
    files = {name.rpartition("/")[2]: name for name in path.names() if not name.startswith("audits/")}
    for stem in sorted(GIVEN & files.keys()):
        yield InputError(
            f"a statement cannot be named {stem!r}, which every recipe has",
            where=path.find(files[stem]),
            remedy="rename the file",
        )
    for name, source in recipe.sources.items():
        if source.table in GIVEN or source.table in read:
            other = path.find(read[source.table]) if source.table not in GIVEN else "the product"
            yield InputError(
                f"the table {source.table!r} of source {name!r} has the name of a relation of {other}",
                where=f"recipe {recipe.name}",
                remedy="give the table another name",
            )

"""What makes a whole delivery unusable once its rows have been read: the wrong period, or too much that is bad.

Works on the tables of cleaning.py. Not here: which rows are bad (cleaning.py), files (drops.py), gates (checks.py).
"""

from __future__ import annotations

from collections.abc import Sequence

import duckdb

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.recipe.cadence import Cadence
from leadscore_dagster.core.recipe.contract import Contract
from leadscore_dagster.core.sources.cleaning import WRONG_PERIOD_SHARE, Cleaned, share_after_as_of
from leadscore_dagster.core.sources.drops import Drop, DropFile
from leadscore_dagster.core.sources.reading import Loaded
from leadscore_dagster.core.sources.report import rows_read, unreadable_of, violations_of


def refuse_wrong_period(
    connection: duckdb.DuckDBPyConnection, contract: Contract, drop: Drop, cadence: Cadence
) -> None:
    for column, share in share_after_as_of(connection, contract, drop.as_of).items():
        if share > WRONG_PERIOD_SHARE:
            raise InputError(
                f"wrong {cadence.value}: {share:.0%} of the dates lie after {drop.as_of}, so this is not the drop of "
                f"{cadence.label(drop.as_of)}",
                where=_names(drop.files),
                column=column,
                remedy=f"check which {cadence.value} the files describe and rename them",
            )


def refuse_too_dirty(
    connection: duckdb.DuckDBPyConnection, contract: Contract, cleaned: Cleaned, loaded: Sequence[Loaded]
) -> None:
    """InputError where more is unreadable or in quarantine than the contract tolerates (duplicates aside)."""
    where = ", ".join(item.name for item in loaded)
    for item in unreadable_of(cleaned, contract):
        if item.cells > contract.maximum_unreadable * max(cleaned.rows, 1):
            kind = contract.column(item.column).type
            raise InputError(
                f"{item.cells / max(cleaned.rows, 1):.1%} of the cells do not read as {kind} (such as "
                f"{', '.join(repr(example) for example in item.examples)}); the contract tolerates "
                f"{contract.maximum_unreadable:.1%}",
                where=where,
                column=item.column,
                rows=item.cells,
                remedy="request the file again, or correct the column's type in the contract",
            )
    violations = [v for v in violations_of(cleaned, rejects_of(connection)) if v.rule != "duplicate"]
    removed, read = sum(v.rows for v in violations), rows_read(loaded)
    if removed > contract.maximum_quarantined * read:
        worst = max(violations, key=lambda violation: violation.rows)
        raise InputError(
            f"{removed / read:.1%} of the rows break the contract (most by rule {worst.rule}); it tolerates "
            f"{contract.maximum_quarantined:.1%}",
            where=where,
            column=worst.column,
            rows=removed,
            remedy="request the file again, or correct the contract",
        )


def refuse_reserved(contract: Contract, names: tuple[str, ...]) -> None:
    for column in contract.columns:
        if column.name.lower() in names:
            raise InputError(
                "the column's name is reserved for our own",
                where=contract.name,
                column=column.name,
                remedy="give it another name and state its name in the file as `raw`",
            )


def rejects_of(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    return {
        str(r): int(n) for r, n in connection.execute("SELECT rule, count(*) FROM rejects GROUP BY rule").fetchall()
    }


def _names(files: Sequence[DropFile]) -> str:
    return ", ".join(file.name for file in files)

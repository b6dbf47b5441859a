"""What a cleaned row must satisfy, as conditions in GoogleSQL: one list for cleaning and for checking again later.

Here: the rules of a contract and the warehouse type of a column. Not here: reading text (cells.py), acting on a
violation (cleaning.py quarantines, checks.py refuses).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import pyarrow as pa

from leadscore_dagster.core.recipe.contract import Column, Contract

#: Arrow type of the warehouse for every contract type
ARROW_TYPES: dict[str, pa.DataType] = {
    "text": pa.string(),
    "key": pa.int64(),
    "integer": pa.int64(),
    "count": pa.int64(),
    "number": pa.float64(),
    "money": pa.float64(),
    "flag": pa.int64(),
    "zip": pa.string(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us", tz="UTC"),
}
NUMERIC = ("integer", "count", "number", "money", "flag", "key")


@dataclass(frozen=True)
class Rule:
    """A condition that is true for a row that breaks the contract (NULL counts as satisfied)."""

    name: str
    column: str
    condition: str


@dataclass(frozen=True)
class Rules:
    """The rules of a contract, in the order they are tried, and the values their conditions bind."""

    rules: tuple[Rule, ...]
    parameters: dict[str, object]

    @property
    def first_broken(self) -> str:
        """GoogleSQL expression: position of the first rule a row breaks, NULL if it breaks none."""
        branches = " ".join(f"WHEN {rule.condition} THEN {i}" for i, rule in enumerate(self.rules))
        return f"CASE {branches} END" if branches else "CAST(NULL AS INT64)"

    @property
    def counts(self) -> list[str]:
        """GoogleSQL expressions: rows that break each rule."""
        return [f"COUNTIF({rule.condition}) AS broken_{i}" for i, rule in enumerate(self.rules)]


def rules_of(contract: Contract, as_of: date) -> Rules:
    """Every rule of the contract for a partition as of that date.

    ``missing`` (key columns and columns that may not be empty), ``below_minimum``, ``above_maximum``,
    ``not_allowed``, ``after_as_of``.
    """
    rules: list[Rule] = []
    parameters: dict[str, object] = {"as_of": as_of}
    for position, column in enumerate(contract.columns):
        name = quoted(column.name)
        if column.name in contract.key or not column.nullable:
            rules.append(Rule("missing", column.name, f"{name} IS NULL"))
        if column.type in NUMERIC:
            for rule, sign, bound in (("below_minimum", "<", column.minimum), ("above_maximum", ">", column.maximum)):
                if bound is not None:
                    parameters[f"{rule}_{position}"] = bound
                    rules.append(Rule(rule, column.name, f"{name} {sign} @{rule}_{position}"))
        if column.allowed is not None:
            parameters[f"allowed_{position}"] = list(column.allowed)
            condition = f"CAST({name} AS STRING) NOT IN UNNEST(@allowed_{position})"
            rules.append(Rule("not_allowed", column.name, f"{name} IS NOT NULL AND {condition}"))
        if column.not_after_as_of:
            rules.append(Rule("after_as_of", column.name, after_as_of(column)))
    return Rules(tuple(rules), parameters)


def after_as_of(column: Column) -> str:
    """GoogleSQL condition: the column lies after the partition's as_of."""
    limit = "TIMESTAMP(@as_of)" if column.type == "timestamp" else "@as_of"
    return f"{quoted(column.name)} > {limit}"


def quoted(name: str) -> str:
    """A contract's column name in GoogleSQL. Contracts only hold plain identifiers, so nothing needs escaping."""
    return f"`{name}`"


def arrow_schema(contract: Contract) -> pa.Schema:
    """Schema of the contract's columns in the warehouse, in contract order."""
    return pa.schema([(column.name, ARROW_TYPES[column.type]) for column in contract.columns])

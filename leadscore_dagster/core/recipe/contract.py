"""The data contract of a source: what every column is called, means, may hold, and when it is known.

Lives here: the schema of contracts. Not here: applying one to a file (core/sources), reading YAML (loading).
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Identifier = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,127}$")]


class Strict(BaseModel):
    """Unknown keys and silently converted types are how a wrong recipe goes unnoticed: both are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Column(Strict):
    """One column of a source, as it stands in the warehouse after cleaning.

    ``type`` decides both the cleaning of the text and the warehouse type:

    ========== ==================================================== ===========
    type       reads                                                warehouse
    ========== ==================================================== ===========
    text       anything; empty is missing                           STRING
    key        an identifier made of digits; other characters drop  INT64
    integer    whole number                                         INT64
    count      whole number; ``"< 5"`` is 2, as the vendor means it INT64
    number     decimal number                                       FLOAT64
    money      ``"$1,295.31"``                                      FLOAT64
    flag       Yes/No, true/false, 1/0; anything else is missing    INT64
    zip        ``"10001.0"`` and ``10001`` are ``"10001"``          STRING
    date       ISO date                                             DATE
    timestamp  ISO 8601 with an explicit zone                       TIMESTAMP
    ========== ==================================================== ===========
    """

    name: Identifier
    type: Literal["text", "key", "integer", "count", "number", "money", "flag", "zip", "date", "timestamp"]
    raw: str | None = None  # the column's name in the file, where it differs
    description: str = ""
    nullable: bool = True
    minimum: float | None = None
    maximum: float | None = None
    allowed: tuple[str, ...] | None = Field(default=None, strict=False)
    not_after_as_of: bool = False  # a date that describes the past cannot lie after the vintage's as_of
    minimum_completeness: float | None = Field(default=None, ge=0, le=1)
    pii: bool = False
    temporal: Literal["stable", "calculable", "mutable"] = "mutable"
    #: at_once: the value is known when the row is. back_filled: written or changed after the event, so only a
    #: dated vintage of it may be used. after_outcome: filled in when the outcome is known; never a feature.
    known: Literal["at_once", "back_filled", "after_outcome"] = "at_once"
    #: not in the file: 1 where those two columns are equal, 0 where they differ, missing where either is
    derived_equal: tuple[Identifier, Identifier] | None = Field(default=None, strict=False)

    @property
    def raw_name(self) -> str:
        return self.raw or self.name

    @model_validator(mode="after")
    def _range_is_possible(self) -> Column:
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise ValueError(f"minimum {self.minimum} is greater than maximum {self.maximum}")
        if self.derived_equal is not None and (self.type != "flag" or self.raw is not None):
            raise ValueError("a column with derived_equal must be a flag and has no raw name")
        return self


class Contract(Strict):
    """Columns, key and tolerances of one source.

    ``key`` identifies a row of the cleaned table. Rows that share it are reduced to one: the first in the order of
    ``prefer`` (column names, ``-`` in front for descending), counted and kept in quarantine with the rule's name.
    """

    name: Identifier
    description: str = ""
    columns: tuple[Column, ...] = Field(strict=False, min_length=1)
    key: tuple[Identifier, ...] = Field(strict=False, min_length=1)
    prefer: tuple[str, ...] = Field(default=(), strict=False)
    extra_columns: Literal["refuse", "ignore"] = "refuse"
    #: share of unreadable cells in a column above which the file is refused instead of nulling the cells
    maximum_unreadable: float = Field(default=0.01, ge=0, le=1)
    #: share of rows in quarantine above which the file is refused
    maximum_quarantined: float = Field(default=0.02, ge=0, le=1)

    @model_validator(mode="after")
    def _names_agree(self) -> Contract:
        names = [column.name for column in self.columns]
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise ValueError(f"column declared twice: {', '.join(repeated)}")
        derived = [name for column in self.columns for name in column.derived_equal or ()]
        for name in (*self.key, *(entry.lstrip("-") for entry in self.prefer), *derived):
            if name not in names:
                raise ValueError(f"key, prefer or derived_equal names {name!r}, which is not a column of the contract")
        return self

    def column(self, name: str) -> Column:
        """The column of that name. Raises KeyError."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)

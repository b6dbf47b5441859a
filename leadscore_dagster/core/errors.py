"""The two errors a user is meant to read. Not here: logging, exit codes (see cli)."""

from __future__ import annotations


class InputError(Exception):
    """Bad input from outside: says what is wrong, where, how many rows, and what to do about it.

    Parameters
    ----------
    what : the problem in one sentence.
    where : file, table or recipe the problem is in.
    column : column the problem is in.
    rows : number of rows concerned.
    remedy : what the user should do.
    """

    def __init__(
        self,
        what: str,
        *,
        where: object | None = None,
        column: str | None = None,
        rows: int | None = None,
        remedy: str | None = None,
    ) -> None:
        self.what, self.where, self.column, self.rows, self.remedy = what, where, column, rows, remedy
        parts = [what.rstrip(".")]
        if where is not None:
            parts.append(f"in {where}")
        if column is not None:
            parts.append(f"column {column}")
        if rows is not None:
            parts.append(f"{rows:,} row{'' if rows == 1 else 's'}")
        message = ", ".join(parts) + "."
        super().__init__(f"{message} Remedy: {remedy}" if remedy else message)


class GateRefused(Exception):
    """A blocking gate said no. The consumer raises it before it reads anything a gate has refused."""

"""Who was champion when, why, and by which gates: an append-only ledger, and the model versions it speaks of.

Lives here: entries of the state's tables ``ledger`` and ``model_versions``, appended and read.
Not here: judging a candidate (gates), the files of a version (registry), the tables (state). Nothing here rewrites or
deletes an entry, and the database would refuse it: an entry has a key of its own, made of what it says, so that a run
repeated after a kill finds its entry instead of writing a second one."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, date, datetime
from typing import Any, Literal, get_args

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.state import State, Writing
from leadscore_dagster.core.state.protocol import Reading
from leadscore_dagster.core.state.tables import CROWNING, LEDGER, VERSIONS

#: keep: the candidate passed its gates and did not beat the champion. refuse: it failed a gate. shadow: it scores
#: beside the champion for some days first.
Action = Literal["promote", "rollback", "refuse", "keep", "shadow"]


@dataclass(frozen=True)
class LedgerEntry:
    """One decision about a version.

    ``version`` is the version decided on: the champion-to-be, or the candidate that was refused or not
    needed. ``effective_from``: since when it counts. ``recorded_at``: when it was written down.
    ``gates_json``: the gate results as a JSON text. ``waiver``: who let it pass in spite of a gate, and until
    when. ``sequence``: 1, 2, 3 … in the order of writing, given by `append_entry`."""

    recipe: str
    version: str
    action: Action
    effective_from: datetime
    recorded_at: datetime
    why: str
    gates_json: str = "[]"
    waiver: str | None = None
    sequence: int = 0


@dataclass(frozen=True)
class ModelVersion:
    """One trained version: its period, the digest of its files, and its metrics and lineage as JSON
    texts."""

    recipe: str
    version: str
    as_of: date
    recorded_at: datetime
    digest: str
    metrics_json: str = "{}"
    lineage_json: str = "{}"


def record_version(state: State, version: ModelVersion) -> ModelVersion:
    """Append a model version; recording the same one again returns the entry that is there.

    Raises
    ------
    InputError : the version is recorded with other content, or a field is malformed.
    """
    _check_text(version.recipe, "recipe")
    _check_text(version.version, "version")
    _check_json(version.metrics_json, "metrics_json")
    _check_json(version.lineage_json, "lineage_json")
    version = replace(version, recorded_at=_utc(version.recorded_at, "recorded_at"))
    _check_recipe(state, version.recipe)
    with state.writing() as writing:
        for row in writing.rows(VERSIONS, version=version.version):
            known = ModelVersion(**row)
            _check_same(known, version)
            return known
        writing.append(VERSIONS, asdict(version))
    return version


def versions(state: State) -> list[ModelVersion]:
    """Every recorded version, oldest record first."""
    found = [ModelVersion(**row) for row in state.rows(VERSIONS)]
    return sorted(found, key=lambda version: (version.recorded_at, version.version))


def history(state: State) -> list[LedgerEntry]:
    """Every entry of the ledger, in the order of writing; empty before the first."""
    return _entries(state)


def champion_at(state: State, instant: datetime, recorded_until: datetime | None = None) -> LedgerEntry | None:
    """The entry that made the champion of ``instant``: the newest promotion or rollback with
    ``effective_from`` at or before it, of equals the one written later. None where there was no champion yet.

    ``recorded_until`` reads the ledger as it stood then: a run that began before a rollback was written down does not
    change its mind on the way.

    Raises
    ------
    InputError : an instant has no time zone.
    """
    moment = _utc(instant, "instant")
    entries = history(state)
    if recorded_until is not None:
        known = _utc(recorded_until, "recorded_until")
        entries = [entry for entry in entries if entry.recorded_at <= known]
    return _newest(entry for entry in entries if entry.effective_from <= moment)


def champion_before(state: State, instant: datetime) -> LedgerEntry | None:
    """The champion just before ``instant``: whom a candidate effective from ``instant`` has to beat. An entry
    already written for that very instant, by the run that is being repeated, is not counted."""
    moment = _utc(instant, "instant")
    return _newest(entry for entry in history(state) if entry.effective_from < moment)


def append_entry(state: State, entry: LedgerEntry) -> LedgerEntry:
    """Append an entry and return it with its sequence. One that says the same as an entry that is there returns that
    one as it was first recorded; other gates, another reason or another waiver are a new entry.

    Raises
    ------
    InputError : a field is malformed; a promoted or shadowing version is not in model_versions, or was refused with
        the same gate results and has no waiver; a rollback names a version that never was champion before, or the
        one that is champion already, or begins before an entry that would take its place again.
    """
    entry = _checked(entry)
    _check_recipe(state, entry.recipe)
    with state.writing() as writing:
        for known in _entries(writing, entry=entry_name(entry)):
            return known
        if entry.action in (*CROWNING, "shadow"):
            _check_recorded(writing, entry.version)
        if entry.action == "promote":
            _check_not_refused(entry, _entries(writing, version=entry.version))
        if entry.action == "rollback":
            _check_rollback(entry, _entries(writing))
        entry = replace(entry, sequence=writing.next_sequence(LEDGER))
        writing.append(LEDGER, asdict(entry) | {"entry": entry_name(entry)})
    return entry


def rollback(
    state: State,
    recipe: str,
    version: str,
    *,
    effective_from: datetime,
    recorded_at: datetime,
    why: str,
) -> LedgerEntry:
    """Make an earlier champion the champion again, by an entry of its own; see `append_entry` for what is
    refused."""
    return append_entry(state, LedgerEntry(recipe, version, "rollback", effective_from, recorded_at, why))


def entry_name(entry: LedgerEntry) -> str:
    """The key of an entry: deterministic, sortable by ``effective_from``.

    A run that is repeated after a kill says the same and so writes the same entry; the same period judged by other
    gates, or with a waiver that was extended, says something new. A rollback is a person's: there and back and there
    again on one day are three entries."""
    moment = entry.effective_from.astimezone(UTC)
    said = [entry.why, entry.gates_json, entry.waiver or ""]
    if entry.action == "rollback":
        said.append(entry.recorded_at.astimezone(UTC).isoformat())
    return f"{moment:%Y%m%dT%H%M%S.%fZ}-{_key(entry.recipe, entry.version, entry.action, moment.isoformat(), *said)}"


def _newest(entries: Any) -> LedgerEntry | None:
    crowning = (entry for entry in entries if entry.action in CROWNING)
    return max(crowning, key=lambda entry: (entry.effective_from, entry.sequence, entry_name(entry)), default=None)


def _checked(entry: LedgerEntry) -> LedgerEntry:
    """The entry with its instants in UTC, if it is well-formed."""
    if entry.action not in get_args(Action):
        raise InputError(
            f"{entry.action!r} is no action", where=LEDGER.name, remedy=f"use {', '.join(get_args(Action))}"
        )
    _check_text(entry.recipe, "recipe")
    _check_text(entry.version, "version")
    _check_text(entry.why, "why")
    if entry.waiver is not None:
        _check_text(entry.waiver, "waiver")
    _check_json(entry.gates_json, "gates_json")
    return replace(
        entry,
        effective_from=_utc(entry.effective_from, "effective_from"),
        recorded_at=_utc(entry.recorded_at, "recorded_at"),
    )


def _check_recipe(state: State, recipe: str) -> None:
    if recipe != state.recipe:
        raise InputError(f"the state is that of recipe {state.recipe!r}, not of {recipe!r}", column="recipe")


def _check_recorded(writing: Writing, version: str) -> None:
    if not writing.rows(VERSIONS, version=version):
        known = [row["version"] for row in writing.rows(VERSIONS)]
        remedy = f"choose one of {', '.join(known[-5:])}" if known else "train a model first"
        raise InputError(f"version {version!r} is not recorded", where=VERSIONS.name, remedy=remedy)


def _check_not_refused(entry: LedgerEntry, past: list[LedgerEntry]) -> None:
    judged = [known for known in past if known.version == entry.version]
    refused = bool(judged) and judged[-1].action == "refuse" and judged[-1].gates_json == entry.gates_json
    if refused and entry.waiver is None:
        remedy = "judge it again under other gates, or give a waiver"
        raise InputError(f"version {entry.version!r} was refused: {judged[-1].why}", where=LEDGER.name, remedy=remedy)


def _check_rollback(entry: LedgerEntry, past: list[LedgerEntry]) -> None:
    before = [known for known in past if known.effective_from <= entry.effective_from and known.action in CROWNING]
    champion = _newest(before)
    others = sorted({known.version for known in before} - {champion.version if champion else ""})
    remedy = f"choose one of {', '.join(others)}" if others else "there is no earlier champion to go back to"
    if champion and champion.version == entry.version:
        raise InputError(f"version {entry.version!r} is already the champion", where=LEDGER.name, remedy=remedy)
    if entry.version not in others:
        when = entry.effective_from.isoformat()
        raise InputError(
            f"version {entry.version!r} was never champion before {when}", where=LEDGER.name, remedy=remedy
        )
    later = _newest(known for known in past if known.effective_from > entry.effective_from)
    if later:
        since = later.effective_from.date()
        raise InputError(
            f"a rollback from {entry.effective_from.date()} on would not last: entry {later.sequence} makes "
            f"{later.version} champion from {since} on",
            where=LEDGER.name,
            remedy=f"roll back from {since} on or later, or leave the date out for today",
        )


def _check_same(known: ModelVersion, given: ModelVersion) -> None:
    old, new = asdict(known), asdict(given)
    different = [name for name in old if name != "recorded_at" and old[name] != new[name]]
    if different:
        raise InputError(
            f"version {known.version} is already recorded with another {' and '.join(different)}",
            where=VERSIONS.name,
            remedy="a version is never changed: train a new one",
        )


def _check_text(value: str, column: str) -> None:
    if not isinstance(value, str) or not value.strip():
        raise InputError(f"{column} is empty", where=LEDGER.name, column=column, remedy=f"give a {column}")


def _check_json(text: str, column: str) -> None:
    try:
        json.loads(text)
    except (TypeError, ValueError) as error:
        raise InputError(f"{column} is not JSON", column=column) from error


def _utc(instant: datetime, what: str) -> datetime:
    if not isinstance(instant, datetime) or instant.tzinfo is None:
        raise InputError(f"{what} is not a time with a zone", column=what, remedy="pass an aware datetime")
    return instant.astimezone(UTC)


def _key(*parts: str) -> str:
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:16]


def _entries(reading: Reading, **equal: object) -> list[LedgerEntry]:
    """Entries whose columns equal the values, in the order of writing."""
    names = [column.name for column in fields(LedgerEntry)]
    return [LedgerEntry(**{name: row[name] for name in names}) for row in reading.rows(LEDGER, **equal)]

"""Static verdicts: is everything a feature is made of known at the decision time, as far as its SQL tells?

Lives here: what a recipe declares about its tables, the rules, the verdicts. Not here: lineage (lineage),
which reads are guarded (guards), whether available_at itself is truthful (known_time, replay)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from leadscore_dagster.core.audit.graph import ROWS, Node, Read, path_up, ways_down
from leadscore_dagster.core.audit.guards import AVAILABLE_AT, DECISIONS, Guards
from leadscore_dagster.core.audit.kinship import OTHER_DECISIONS
from leadscore_dagster.core.audit.lineage import Lineage, LineageError, read_lineage
from leadscore_dagster.core.audit.verdict import SETTLED_BY_REPLAY, FeatureVerdict
from leadscore_dagster.core.recipe.schema import Recipe, VintageSource

PART = "lineage"
KNOWN_AT = "known_at"
_CURRENT = "_current"


@dataclass(frozen=True)
class Declarations:
    """What the contracts say of the stored tables.

    ``guards``: dated table to the column a guard compares (available_at of a vintage, known_at of a log).
    ``after_outcome``: (table, column) filled in when the outcome is known.
    ``back_filled``: (table, column) written or changed after the event; safe in a guarded vintage only.
    """

    guards: Mapping[str, str] = field(default_factory=dict)
    after_outcome: frozenset[tuple[str, str]] = frozenset()
    back_filled: frozenset[tuple[str, str]] = frozenset()

    @property
    def logs(self) -> frozenset[str]:
        """Tables whose guard does not cover columns written after the row."""
        return frozenset(table for table, guard in self.guards.items() if guard != AVAILABLE_AT)


def declarations_of(recipe: Recipe) -> Declarations:
    """What the recipe's contracts declare. The decisions relation carries columns of the decision source, so
    its columns are declared for both names; columns a log fills in later are back-filled."""
    guards: dict[str, str] = {}
    after_outcome: set[tuple[str, str]] = set()
    back_filled: set[tuple[str, str]] = set()
    for name, source in recipe.sources.items():
        is_vintage = isinstance(source, VintageSource)
        guards[source.table] = AVAILABLE_AT if is_vintage else KNOWN_AT
        tables = [source.table, *([DECISIONS] if name == recipe.decisions.source else [])]
        later = set() if isinstance(source, VintageSource) else set(source.known_later)
        for column in source.contract.columns:
            for table in tables:
                if column.known == "after_outcome":
                    after_outcome.add((table, column.name))
                elif column.known == "back_filled" or column.name in later:
                    back_filled.add((table, column.name))
    return Declarations(guards, frozenset(after_outcome), frozenset(back_filled))


def lineage_verdicts(
    sql: str, schemas: Mapping[str, Sequence[str]], declarations: Declarations, features: Sequence[str]
) -> list[FeatureVerdict]:
    """One verdict per feature, from the composed feature query.

    Parameters
    ----------
    sql : one composed GoogleSQL SELECT that returns decision_id and the features.
    schemas : stored table to its column names; ``decisions`` among them.
    declarations : see ``declarations_of``.
    features : output columns to judge.

    Raises LineageError where the statement cannot be resolved with certainty, a feature is no output column,
    or decision_id is not returned as it stands in decisions: then nothing can be cleared."""
    lineage = read_lineage(sql, schemas)
    guards = Guards(lineage, declarations.guards)
    missing = [feature for feature in features if feature not in lineage.columns]
    if missing:
        raise LineageError(f"the statement returns no column {', '.join(missing)}")
    if not guards.returns_decisions:
        raise LineageError("the statement does not return decision_id, so no guard can be tied to a decision")
    return [_judge(lineage, guards, declarations, feature) for feature in features]


def _judge(lineage: Lineage, guards: Guards, declarations: Declarations, feature: str) -> FeatureVerdict:
    leaves = lineage.leaves(feature)
    leaks = [
        *_after_outcome(lineage, declarations, feature, leaves),
        *_current(lineage, feature),
        *_clock(lineage, feature, leaves),
    ]
    unproven: list[str] = []
    mixes: list[str] = []
    opened = sorted(guards.open_reads(feature), key=lambda read: (read.table, read.place, read.text))
    for read in opened:
        if read.table == OTHER_DECISIONS:
            mixes.append(_mixing(lineage, feature, read))
        elif read.table in declarations.guards:
            leaks.append(_unguarded(lineage, declarations, feature, read, leaves))
        elif not read.table.endswith(_CURRENT):
            path = _path_of_read(lineage, feature, read, leaves)
            unproven.append(f"no contract says when rows of {read.table} were known: {path}")
    leaks += _late_in_a_log(lineage, declarations, feature, leaves)
    if leaks:
        return FeatureVerdict(feature, PART, "leak", "; ".join(dict.fromkeys(leaks)))
    if unproven:
        return FeatureVerdict(feature, PART, "unproven", "; ".join(unproven))
    if mixes:
        return FeatureVerdict(feature, PART, "unproven", mixes[0], metric=SETTLED_BY_REPLAY)
    return FeatureVerdict(feature, PART, "clear", _clearance(guards, leaves))


def _after_outcome(lineage: Lineage, declarations: Declarations, feature: str, leaves: frozenset[Node]) -> list[str]:
    found = [leaf for leaf in leaves if (leaf.relation, leaf.name) in declarations.after_outcome]
    return [f"filled in after the outcome: {_arrow(lineage.path(feature, leaf))}" for leaf in _ordered(found)]


def _late_in_a_log(lineage: Lineage, declarations: Declarations, feature: str, leaves: frozenset[Node]) -> list[str]:
    """A log's guard says when the row was known, not when a column of it was written."""
    tables = declarations.logs | {DECISIONS}
    found = [
        leaf for leaf in leaves if leaf.relation in tables and (leaf.relation, leaf.name) in declarations.back_filled
    ]
    return [f"written after the row was known: {_arrow(lineage.path(feature, leaf))}" for leaf in _ordered(found)]


def _current(lineage: Lineage, feature: str) -> list[str]:
    ways = lineage.relations_of(feature, _CURRENT)
    return [f"{name} shows today's state, not what was known: {_arrow(way)}" for name, way in sorted(ways.items())]


def _clock(lineage: Lineage, feature: str, leaves: frozenset[Node]) -> list[str]:
    found = [leaf for leaf in leaves if leaf.kind == "clock"]
    return [f"depends on when it is run: {_arrow(lineage.path(feature, leaf))}" for leaf in _ordered(found)]


def _unguarded(lineage: Lineage, declarations: Declarations, feature: str, read: Read, leaves: frozenset[Node]) -> str:
    guard = declarations.guards[read.table]
    mine = [leaf for leaf in leaves if leaf.read is read and (read.table, leaf.name) in declarations.back_filled]
    back_filled = f", back-filled {', '.join(leaf.name for leaf in _ordered(mine))}" if mine else ""
    return (
        f"{read.table} without `{read.alias}.{guard} <= <decision>.decision_at` in {read.place or 'the statement'}"
        f" (`{read.text}`){back_filled}: {_path_of_read(lineage, feature, read, leaves)}"
    )


def _path_of_read(lineage: Lineage, feature: str, read: Read, leaves: frozenset[Node]) -> str:
    """The shortest way from a column of the read (its rows where no column is used) that no guard crosses."""
    mine = sorted((leaf for leaf in leaves if leaf.read is read), key=lambda leaf: (leaf.name == ROWS, leaf.name))
    values = lineage.value_leaves(feature)
    for leaf in sorted(mine, key=lambda leaf: leaf not in values):
        path = lineage.path(feature, leaf, avoid=read)
        if path:
            return _arrow(path)
    return f"{read.table} -> {feature}"


def _mixing(lineage: Lineage, feature: str, read: Read) -> str:
    for start in (lineage.columns[feature], lineage.result.filter):
        ways = ways_down(start, through_controls=True)
        for node in ways:
            if node.source is not None and read in node.source.adds:
                path = [step for step in path_up(ways, node) if step != feature]
                way = _arrow((f"decisions in {read.place}", *path, feature))
                return f"rows of other decisions are mixed in, which only replay can judge: {way}"
    return f"rows of other decisions are mixed in, which only replay can judge ({read.text})"


def _clearance(guards: Guards, leaves: frozenset[Node]) -> str:
    reads = {leaf.read for leaf in leaves if leaf.read in guards.texts}  # others make up decisions themselves
    if not reads:
        return "a function of the decision alone"
    facts = sorted({f"{read.table} by `{guards.texts[read]}`" for read in reads - guards.calendars})
    dates = sorted({f"`{guards.texts[read]}`" for read in reads & guards.calendars})
    parts = ["guarded: " + "; ".join(facts)] if facts else []
    return "; ".join([*parts, *([f"dates of deliveries by {', '.join(dates)}"] if dates else [])])


def _ordered(leaves: Sequence[Node]) -> list[Node]:
    unique = {(leaf.relation, leaf.name): leaf for leaf in leaves}
    return [unique[key] for key in sorted(unique)]


def _arrow(path: Sequence[str]) -> str:
    return " -> ".join(path)

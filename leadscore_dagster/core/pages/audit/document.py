"""The page as a whole: what it says to a manager, the order of its sections, its style and script.

Not here: the sections themselves (matrix, sections).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from leadscore_dagster.core.audit.verdict import FeatureVerdict, blocking, kind_of
from leadscore_dagster.core.pages.audit.matrix import KINDS, Pairs, filter_tiles, matrix
from leadscore_dagster.core.pages.audit.sections import (
    acknowledgements,
    attention,
    restatement,
    three_numbers_section,
    unproven,
    whole_table,
)
from leadscore_dagster.core.pages.frame.document import html_document
from leadscore_dagster.core.pages.frame.text import counted, escaped, listed, number, section, share
from leadscore_dagster.core.verdict import Verdict

_FOLDER = Path(__file__).parent


def audit_page(
    title: str,
    summary: Mapping[str, Any],
    verdicts: Sequence[FeatureVerdict],
    overall: Mapping[str, FeatureVerdict],
    findings: Sequence[Verdict | tuple[str, Verdict]],
    violations: Sequence[tuple[str, int, str]],
    restatements: Sequence[Mapping[str, Any]],
    three_numbers: Mapping[str, Any] | None,
    acknowledged: Sequence[Mapping[str, Any]],
) -> str:
    """One HTML document without external resources; equal input gives equal bytes.

    Parameters
    ----------
    summary : ``recipe``, ``as_of``, ``rows``, ``positives``; ``parts`` (part → what it asserts), where given, explains
        the columns of the matrix.
    overall : feature → the verdict that counts.
    findings : on the table as a whole, each alone or with the part it belongs to.
    violations : (SQL audit, violating rows, text of the first ones).
    restatements : ``asdict(ColumnRestatement)`` per column, or ``table``, ``column``, ``facts``, ``share``, ``low``,
        ``high``, ``lags`` (p50, p90, p95), ``completeness`` (lag in days → share), ``wait_days``; what is absent is
        shown as a dash.
    three_numbers : ``ThreeNumbers.as_dict()``.
    acknowledged : ``feature``, ``part``, ``reason`` and ``date`` (or ``on``).
    """
    pairs = {(str(one.get("feature")), str(one.get("part"))) for one in acknowledged}
    judged = [("", entry) if isinstance(entry, Verdict) else (entry[0], entry[1]) for entry in findings]
    body = [
        _masthead(title, summary, _sentences(verdicts, overall, judged, violations, pairs)),
        attention(verdicts, pairs),
        _matrix_section(verdicts, overall, pairs),
        three_numbers_section(three_numbers),
        whole_table(judged, violations),
        restatement(restatements),
        unproven(verdicts),
        acknowledgements(acknowledged),
        _how_to_read(verdicts, summary.get("parts", {})),
    ]
    return html_document(title, body, _FOLDER / "audit.css", _FOLDER / "audit.js")


def _masthead(title: str, summary: Mapping[str, Any], sentences: tuple[str, list[str]]) -> str:
    rows, positives = summary.get("rows"), summary.get("positives")
    facts = [
        ("recipe", escaped(summary.get("recipe", "–"))),
        ("as of", escaped(summary.get("as_of", "–"))),
        ("decisions", number(rows)),
        (
            "positives",
            f"{number(positives)} ({share(positives / rows, 2)})" if rows and positives else number(positives),
        ),
    ]
    state, told = sentences
    facts_html = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in facts)
    return (
        f'<header><p class="kicker">Leakage audit</p><h1>{escaped(title)}</h1><dl>{facts_html}</dl>'
        f'<div class="banner {state}" role="status"><p>{told[0]}</p>{"".join(f"<p>{line}</p>" for line in told[1:])}'
        "</div></header>"
    )


def _sentences(
    verdicts: Sequence[FeatureVerdict],
    overall: Mapping[str, FeatureVerdict],
    findings: Iterable[tuple[str, Verdict]],
    violations: Iterable[tuple[str, int, str]],
    acknowledged: Pairs,
) -> tuple[str, list[str]]:
    """``refused`` or ``passed``, and the sentences for a manager: what blocks, then what is only a warning."""
    refused = blocking(verdicts, acknowledged)
    leaks = list(dict.fromkeys(verdict.feature for verdict in refused if verdict.verdict == "leak"))
    suspects = [name for name in dict.fromkeys(verdict.feature for verdict in refused) if name not in leaks]
    failed = [finding for _, finding in findings if finding.blocks]
    broken = [(name, rows) for name, rows, _ in violations if rows]
    told = []
    if leaks:
        told.append(f"{counted(len(leaks), 'feature leaks', 'features leak')}: {listed(leaks)}.")
    if suspects:
        noun = counted(len(suspects), "feature is", "features are")
        told.append(f"{noun} suspect and not acknowledged: {listed(suspects)}.")
    if failed:
        names = listed([finding.name for finding in failed])
        noun = counted(len(failed), "statement about the table does", "statements about the table do")
        told.append(f"{noun} not hold: {names}.")
    if broken:
        told.append(f"{counted(sum(rows for _, rows in broken), 'row breaks', 'rows break')} the recipe's SQL audits: "
                    f"{listed([name for name, _ in broken])}.")  # fmt: skip
    state = "refused" if told else "passed"
    first = "Training is refused." if told else "Nothing blocks: this table may be trained on."
    open_ones = [name for name, verdict in overall.items() if verdict.verdict == "unproven"]
    clocks = sum(kind_of(overall[name]) == "clock" for name in open_ones)
    if open_ones:
        of_them = f", {clocks} of them because they only tell the time" if clocks else ""
        told.append(f"{counted(len(open_ones), 'feature is', 'features are')} unproven{of_them}; that warns.")
    return state, [first, *told]


def _matrix_section(
    verdicts: Sequence[FeatureVerdict], overall: Mapping[str, FeatureVerdict], acknowledged: Pairs
) -> str:
    lead = "What each part says about each feature. Click a cell for its evidence, or a count to filter."
    search = '<input id="search" type="search" placeholder="Find a feature" aria-label="Find a feature" hidden>'
    body = f'<div class="tools">{filter_tiles(overall)}{search}</div>{matrix(verdicts, overall, acknowledged)}'
    return section("Features × parts", lead, body if overall else "<p>No feature was judged.</p>", "features")


def _how_to_read(verdicts: Iterable[FeatureVerdict], parts: Mapping[str, Any]) -> str:
    kinds = "".join(
        f'<div><dt><span class="chip {kind}"><s>{symbol}</s><span>{word}</span></span></dt><dd>{meaning}</dd></div>'
        for kind, (symbol, word, meaning) in KINDS.items()
    )
    asked = [part for part in dict.fromkeys(verdict.part for verdict in verdicts) if part in parts]
    described = "".join(
        f"<div><dt>{escaped(part.replace('_', ' '))}</dt><dd>{escaped(parts[part])}</dd></div>" for part in asked
    )
    lead = (
        "A row's overall verdict is the worst of its parts; an open question that replay has settled does not count. "
        "A dot means that the part has not judged the feature."
    )
    body = f'<dl class="legend">{kinds}</dl>' + (f'<dl class="legend parts">{described}</dl>' if described else "")
    return section("How to read this page", lead, body, "legend")

"""The page as a whole: the order of its sections.

Not here: the sections themselves.
"""

from __future__ import annotations

from pathlib import Path

from leadscore_dagster.core.pages.frame.document import html_document
from leadscore_dagster.core.pages.frame.text import escaped
from leadscore_dagster.core.pages.model import business, drivers, quality, summary, training
from leadscore_dagster.core.pages.model.reading import Record

_STYLE = Path(__file__).parent / "model.css"
_CHAPTERS = (
    ("business", "What sales gets"),
    ("drivers", "Drivers"),
    ("calibration", "Calibration"),
    ("cohorts", "Segments and months"),
    ("gates", "Gates"),
    ("metrics", "Metrics"),
    ("record", "Track record"),
    ("rankings", "Compared"),
    ("chosen", "How it was chosen"),
    ("search", "Search"),
    ("periods", "Periods"),
    ("data", "Data"),
    ("audit", "Audit"),
    ("lineage", "Lineage"),
    ("limits", "Limits"),
)


def model_page(evidence: Record) -> str:
    """One HTML document about one version; equal evidence gives equal bytes.

    Parameters
    ----------
    evidence : plain data, as it comes out of JSON. Every key may be absent: its section then says so.

        ``version``, ``as_of``; ``recipe`` (``title``, ``owner``, ``cadence``, ``stale_after_periods``);
        ``manifest`` as core/versions/registry writes it; ``measured`` as `candidate_evidence` makes it;
        ``gates`` (`Verdict.as_dict`, with what the page asks of them); ``ledger`` (entries as mappings);
        ``standing`` (``champion``, ``since``, ``why``, ``holder``: who scores if this version does not);
        ``audit`` (``blocks``, ``why``, ``overall``: feature → kind, ``parts``: feature → part → kind, ``findings``; or
        ``absent``: why there is none);
        ``previous`` (``version``, ``relation``, ``ranking`` of `ranking_record`, ``metrics``, ``paired``: a verdict;
        or ``absent``: why it cannot be read);
        ``track_record`` (``as_of``, ``version``, ``from``, ``until``, ``n``, ``positives``, ``metrics``, ``claimed``;
        ``why`` it was not measured; ``oracle``, metrics of the truth, of a simulated market alone).
    """
    title = f"Model report: {(evidence.get('recipe') or {}).get('title', evidence.get('version', ''))}"
    links = "".join(f'<a href="#{anchor}">{escaped(name)}</a>' for anchor, name in _CHAPTERS)
    body = [
        summary.masthead(evidence),
        summary.key_numbers(evidence),
        summary.in_short(evidence),
        f'<nav aria-label="Sections">{links}</nav>',
        business.business(evidence),
        drivers.drivers(evidence),
        quality.calibration(evidence),
        quality.cohorts(evidence),
        quality.gates(evidence),
        quality.metrics(evidence),
        quality.track_record(evidence),
        drivers.rankings(evidence),
        training.comparison(evidence),
        training.search(evidence),
        training.periods(evidence),
        training.data(evidence),
        training.audit(evidence),
        training.lineage(evidence),
        training.limits(evidence),
    ]
    return html_document(title, body, _STYLE)

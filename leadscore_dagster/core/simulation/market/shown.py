"""What an outsider can see of the world on a given day. Not here: the rep file and its dirt (rep_rows)."""

from __future__ import annotations

from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from leadscore_dagster.core.simulation.market import words
from leadscore_dagster.core.simulation.market.firms import Firms
from leadscore_dagster.core.simulation.market.size import FIRST_REPORTED_MONTH, MONTH_STARTS, NEVER, day_number
from leadscore_dagster.core.simulation.market.world import Jobs, World

_STRIDE = 100_000
"""Larger than any day number: (rep, day) becomes the sortable key rep * _STRIDE + day."""


def newest_job(jobs: Jobs, rep: np.ndarray, day: np.ndarray | int) -> np.ndarray:
    """Index into `jobs` of each advisor's newest job with start <= day; -1 if there is none."""
    keys = jobs.rep.astype(np.int64) * _STRIDE + jobs.start
    index = np.searchsorted(keys, rep.astype(np.int64) * _STRIDE + day, side="right") - 1
    return np.where((index >= 0) & (jobs.rep[index] == rep), index, -1)


def shown_job(world: World, as_of: date) -> np.ndarray:
    """(P,) index of the job each advisor is shown in at `as_of`, -1 for those not shown as employed.

    An ended job whose end is not filed yet is still shown: that is what makes a gap invisible.
    """
    day = day_number(as_of)
    index = newest_job(world.jobs, np.arange(world.advisors.count), day - 1)
    return np.where((index >= 0) & (world.jobs.end_known[index] >= day), index, -1)


def employment_as_shown(world: World, at: date) -> pa.Table:
    """Employment history as the vendor would show it at `at` (facts filed strictly before that day).

    One row per job with the five vendor columns, all text; an end not filed yet is null.
    """
    day = day_number(at)
    jobs = [_only(group, group.start < day) for group in (world.jobs, world.side_jobs)]
    rep, firm, start, end, known = (
        np.concatenate([getattr(group, name) for group in jobs])
        for name in ("rep", "firm", "start", "end", "end_known")
    )
    order = np.lexsort((firm, start, rep))
    rep, firm, start, end, known = rep[order], firm[order], start[order], end[order], known[order]
    return pa.table(
        {
            "RIA_CONTACT_CRD_ID": number_text(world.advisors.crd[rep]),
            "PREVIOUS_REGISTRATION_COMPANY_CRD_ID": number_text(world.firms.crd).take(pa.array(firm)),
            "PREVIOUS_REGISTRATION_COMPANY_NAME": firm_names(world.firms).take(pa.array(firm)),
            "PREVIOUS_REGISTRATION_COMPANY_START_DATE": day_text(start),
            "PREVIOUS_REGISTRATION_COMPANY_END_DATE": day_text(np.where(known < day, end, NEVER)),
        }
    )


def known_facts(world: World) -> pa.Table:
    """Every dated fact as (kind, event_at, known_at): job starts and ends, firm figures, restatements."""
    parts: list[tuple[str, np.ndarray, np.ndarray]] = []
    for kind, jobs in (("job", world.jobs), ("side job", world.side_jobs)):
        ended = jobs.end < NEVER
        parts.append((f"{kind} start", jobs.start, jobs.start))
        parts.append((f"{kind} end", jobs.end[ended], jobs.end_known[ended]))
    firms = world.firms
    month_end = np.broadcast_to(MONTH_STARTS[1:, None], firms.assets.shape)
    restated = firms.restated_known < NEVER
    parts.append(("firm assets", month_end.ravel(), firms.first_known.ravel()))
    parts.append(("firm assets restated", month_end[restated], firms.restated_known[restated]))
    return pa.concat_tables(
        pa.table(
            {
                "kind": pa.repeat(pa.scalar(kind), len(event)),
                "event_at": pa.array(event.astype(np.int32)).cast(pa.date32()),
                "known_at": pa.array(known.astype(np.int32)).cast(pa.date32()),
            }
        )
        for kind, event, known in parts
    )


def firm_history_as_shown(world: World, at: date, shown: np.ndarray) -> pa.Table:
    """Monthly TOTAL_AUM of every firm as known at `at`; `shown` is `firms.shown_assets` of the same day."""
    day, firms = day_number(at), world.firms
    months = np.arange(FIRST_REPORTED_MONTH, shown.shape[0])
    firm, position = np.divmod(np.arange(firms.count * len(months)), len(months))
    month = months[position]
    keep = firms.first_known[month, firm] < day
    firm, month = firm[keep], month[keep]
    value = shown[month, firm]
    dollars = pa.array(np.nan_to_num(value).astype(np.int64), mask=np.isnan(value))
    return pa.table(
        {
            "RIA_INVESTOR_CRD_ID": number_text(firms.crd).take(pa.array(firm)),
            "YEAR": number_text(2022 + month // 12),
            "MONTH": number_text(1 + month % 12),
            "TOTAL_AUM": pc.cast(dollars, pa.string()),
        }
    )


def firm_names(firms: Firms) -> pa.Array:
    """(F,) invented names, e.g. 'Alderacre Wealth Management'."""
    kinds, seconds, firsts = len(words.FIRM_KIND), len(words.FIRM_SECOND), len(words.FIRM_FIRST)
    index = np.arange(firms.count) * 7919 % (kinds * seconds * firsts)  # a prime: no two firms share a name
    first = pa.array(words.FIRM_FIRST).take(pa.array(index % firsts))
    second = pa.array(words.FIRM_SECOND).take(pa.array(index // firsts % seconds))
    kind = pa.array(words.FIRM_KIND).take(pa.array(index // (firsts * seconds)))
    return pc.binary_join_element_wise(pc.binary_join_element_wise(first, second, ""), kind, " ")


def day_text(day: np.ndarray) -> pa.Array:
    """ISO dates of day numbers; null for NEVER."""
    dates = pa.array(day.astype(np.int32), mask=np.asarray(day) == NEVER).cast(pa.date32())
    return dates.cast(pa.string())


def number_text(value: np.ndarray) -> pa.Array:
    """Whole numbers as text."""
    return pc.cast(pa.array(np.asarray(value).astype(np.int64)), pa.string())


def _only(jobs: Jobs, keep: np.ndarray) -> Jobs:
    return Jobs(jobs.rep[keep], jobs.firm[keep], jobs.start[keep], jobs.end[keep], jobs.end_known[keep])

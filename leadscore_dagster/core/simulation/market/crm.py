"""The CRM's lead extract with its dirt: broken keys, duplicates, impossible orders of events.

Not here: who is contacted and converts (conversion).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from leadscore_dagster.core.simulation.market import words
from leadscore_dagster.core.simulation.market.conversion import OPEN, RECYCLED, TOO_SOON, Leads
from leadscore_dagster.core.simulation.market.rep_rows import person_email
from leadscore_dagster.core.simulation.market.shown import firm_names, newest_job, number_text
from leadscore_dagster.core.simulation.market.size import OWN_COMPANY, TODAY, day_number, random_source
from leadscore_dagster.core.simulation.market.world import World

_DAY = 86_400
_NOW = TODAY * _DAY
_SOURCES = ("Provided List", "Referral", "Website", "Event", "Recruiting Firm")
_STATUSES = ("New", "Contacting", "Call Scheduled", "Nurture", "Closed")


@dataclass(frozen=True)
class _Rows:
    """One entry per row of the extract. Seconds since 1970 UTC, 0 where empty; `lead` indexes Leads."""

    lead: np.ndarray
    number: np.ndarray  # what the Id is made of
    created: np.ndarray
    contacted: np.ndarray
    scheduled: np.ndarray
    modified: np.ndarray


def crm_extract(world: World, leads: Leads) -> tuple[pa.Table, pa.Table, dict[str, int]]:
    """(leads.csv as text in order of Id, truth per contacted lead, rows of dirt by kind)."""
    random = random_source(world.seed, 9)
    rows, dirt = _rows(leads, random)
    key, key_dirt = _advisor_key(world, leads, rows, random)
    company, own = _company(world, leads, random)
    table = _text(world, leads, rows, key, company, random)
    contacted = np.flatnonzero(leads.contacted_at > 0)
    truth = pa.table(
        {
            "lead_id": lead_id(rows.number[contacted]),
            "contacted_at": pa.array(leads.contacted_at[contacted]).cast(pa.timestamp("s", "UTC")),
            "propensity": leads.propensity[contacted],
            "in_gap": leads.in_gap[contacted],
        }
    )
    dirt |= key_dirt | {
        "lead_rows": table.num_rows,
        "lead_distinct_ids": len(leads.rep) + dirt["lead_same_contact_other_id"],
        "lead_own_company": int(own[rows.lead].sum()),
        "lead_recycled": int((leads.kind == RECYCLED).sum()),
        "lead_recycled_too_soon": int((leads.kind == TOO_SOON).sum()),
        "lead_open": int((leads.kind == OPEN).sum()),
    }
    order = pc.sort_indices(table, [("Id", "ascending"), ("LastModifiedDate", "ascending")])
    return table.take(order), truth, dirt


def lead_id(number: np.ndarray) -> pa.Array:
    """18 characters like a CRM's record Id."""
    middle = pc.utf8_lpad(number_text(number), 10, padding="0")
    return pc.binary_join_element_wise(pc.binary_join_element_wise("00Q5f", middle, ""), "AAX", "")


def _rows(leads: Leads, random: np.random.Generator) -> tuple[_Rows, dict[str, int]]:
    count = len(leads.rep)
    is_open = leads.kind == OPEN
    created = leads.contacted_at - random.integers(600, 45 * _DAY, count)
    created = np.where(is_open, _NOW - random.integers(3600, 75 * _DAY, count), created)
    scheduled = leads.converted_at.copy()
    impossible = (random.random(count) < 0.0052) & ~is_open & (scheduled == 0)
    early = random.integers(_DAY, 40 * _DAY, count)
    scheduled[impossible] = (leads.contacted_at - early)[impossible]
    touched = np.maximum(np.maximum(created, leads.contacted_at), scheduled)
    modified = np.minimum(touched + random.integers(3600, 10 * _DAY, count), _NOW - 1)
    number = 1_000_000 + random.permutation(2 * count)
    base = _Rows(np.arange(count), number[:count], created, leads.contacted_at, scheduled, modified)
    settled = np.flatnonzero((leads.contacted_at > 0) & (leads.contacted_at < _NOW - 10 * _DAY) & ~impossible)
    picked = random.choice(settled, round(0.013 * count), replace=False)
    stale, other = picked[: round(0.01 * count)], picked[round(0.01 * count) :]
    # A stale copy of the same Id from before its outcome was entered.
    contact = base.contacted[stale]
    older = _Rows(stale, base.number[stale], created[stale], contact, stale * 0, contact + 60)
    # The same person entered a second time by somebody else, called within three days, without an outcome.
    contact = base.contacted[other] + random.integers(3600, 3 * _DAY, len(other))
    twin = _Rows(
        other,
        number[count + other],
        created[other] + 30,
        contact,
        other * 0,
        contact + 2 * _DAY,
    )
    names = ("lead", "number", "created", "contacted", "scheduled", "modified")
    rows = _Rows(*(np.concatenate([getattr(part, name) for part in (base, older, twin)]) for name in names))
    return rows, {
        "lead_same_id_twice": len(stale),
        "lead_same_contact_other_id": len(other),
        "lead_call_before_contact": int(impossible.sum()),
    }


def _advisor_key(
    world: World, leads: Leads, rows: _Rows, random: np.random.Generator
) -> tuple[pa.Array, dict[str, int]]:
    """FA_CRD__c per lead: mostly the advisor's number; some empty, unknown or with other characters."""
    draw = random.random(len(leads.rep))
    unknown = (draw >= 0.015) & (draw < 0.05)
    crd = np.where(unknown, random.integers(90_000_000, 99_000_000, len(draw)), world.advisors.crd[leads.rep])
    text = number_text(crd)
    style = np.where((draw >= 0.05) & (draw < 0.07), random.integers(0, 3, len(draw)), -1)
    for code, (before, after) in enumerate((("CRD# ", ""), (" ", " "), ("", " (RIA)"))):
        dressed = pc.binary_join_element_wise(before, text, after, "")
        text = pc.if_else(pa.array(style == code), dressed, text)
    text = pc.if_else(pa.array(draw < 0.015), pa.scalar(None, pa.string()), text)
    return text, {
        "lead_key_empty": int((draw < 0.015)[rows.lead].sum()),
        "lead_key_unmatched": int(unknown[rows.lead].sum()),
        "lead_key_with_other_characters": int((style >= 0)[rows.lead].sum()),
    }


def _company(world: World, leads: Leads, random: np.random.Generator) -> tuple[pa.Array, np.ndarray]:
    day = np.where(leads.contacted_at > 0, leads.contacted_at // _DAY, day_number("2026-01-15"))
    firm = world.jobs.firm[newest_job(world.jobs, leads.rep, day)]
    own = random.random(len(firm)) < 0.006
    spelling = pa.array([OWN_COMPANY, f"{OWN_COMPANY} LLC"]).take(pa.array(random.integers(0, 2, len(firm))))
    return pc.if_else(pa.array(own), spelling, firm_names(world.firms).take(pa.array(firm))), own


def _text(
    world: World, leads: Leads, rows: _Rows, key: pa.Array, company: pa.Array, random: np.random.Generator
) -> pa.Table:
    count, rep = len(leads.rep), leads.rep
    who, lead = world.advisors, pa.array(rows.lead)
    owner_number = pc.utf8_lpad(number_text(random.integers(1, 13, count)), 10, padding="0")
    owner = pc.binary_join_element_wise("0055f", owner_number, "AAQ", "")
    source = random.choice(len(_SOURCES), count, p=[0.78, 0.06, 0.06, 0.05, 0.05])
    do_not_call = (random.random(count) < 0.02).astype(int)
    metro = who.metro[rep]
    cities, states = ([str(entry[field]) for entry in words.METROS] for field in (1, 2))
    nowhere = pa.array(random.random(count) < 0.08)
    no_mail = pa.array(random.random(count) < 0.3)
    empty = pa.scalar(None, pa.string())
    age_days = (_NOW - rows.contacted) // _DAY
    status = np.select([rows.contacted == 0, rows.scheduled > 0, age_days < 60, rows.number % 3 == 0], [0, 2, 1, 3], 4)

    def of_lead(values: pa.Array) -> pa.Array:
        return values.take(lead)

    return pa.table(
        {
            "Id": lead_id(rows.number),
            "FA_CRD__c": of_lead(key),
            "FirstName": of_lead(pa.array(words.FIRST_NAMES).take(pa.array(who.first_name[rep]))),
            "LastName": of_lead(pa.array(words.LAST_NAMES).take(pa.array(who.last_name[rep]))),
            "Company": of_lead(company),
            "Title": of_lead(pa.array(words.TITLES).take(pa.array(who.title[rep]))),
            "City": of_lead(pc.if_else(nowhere, empty, pa.array(cities).take(pa.array(metro)))),
            "State": of_lead(pc.if_else(nowhere, empty, pa.array(states).take(pa.array(metro)))),
            "Email": of_lead(pc.if_else(no_mail, empty, person_email(world, rep))),
            "LeadSource": of_lead(pa.array(_SOURCES).take(pa.array(source))),
            "Status": pa.array(_STATUSES).take(pa.array(status)),
            "OwnerId": of_lead(owner),
            "DoNotCall": of_lead(pa.array(["false", "true"]).take(pa.array(do_not_call))),
            "CreatedDate": _instant(rows.created),
            "Stage_Entered_New__c": _instant(rows.created + 60),
            "Stage_Entered_Contacting__c": _instant(rows.contacted),
            "Stage_Entered_Call_Scheduled__c": _instant(rows.scheduled),
            "LastModifiedDate": _instant(rows.modified),
        }
    )


def _instant(seconds: np.ndarray) -> pa.Array:
    """ISO 8601 UTC with Z; null for 0."""
    stamps = pa.array(seconds.astype(np.int64), mask=seconds == 0).cast(pa.timestamp("s"))
    return pc.strftime(stamps, format="%Y-%m-%dT%H:%M:%SZ")

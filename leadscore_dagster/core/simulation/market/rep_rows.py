"""The advisor file of one drop: one row per advisor and firm, all text, with the vendor's dirt.

Not here: firm, employment and history files and writing (drops), what is visible at all (shown).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from leadscore_dagster.core.simulation.market import words
from leadscore_dagster.core.simulation.market.shown import day_text, number_text, shown_job
from leadscore_dagster.core.simulation.market.size import Quarter, day_number, random_source
from leadscore_dagster.core.simulation.market.world import World

# fmt: off
REP_COLUMNS = (
    "RepCRD", "RIAFirmCRD", "PrimaryRIAFirmCRD", "FirstName", "LastName", "Title", "Education", "Gender",
    "Email_BusinessType", "SocialMedia_LinkedIn", "PersonalWebpage", "Notes", "Licenses", "Home_City",
    "Home_State", "Home_ZipCode", "Home_MetropolitanArea", "Branch_City", "Branch_State",
    "Branch_ZipCode", "MilesToWork", "TotalAssetsInMillions", "NumberClients_Individuals",
    "NumberClients_HNWIndividuals", "AssetsInMillions_Individuals", "AssetsInMillions_HNWIndividuals",
    "AssetsInMillions_MutualFunds", "AssetsInMillions_PrivateFunds", "PercentClients_Individuals",
    "AUMGrowthRate_1Year", "AUMGrowthRate_5Year", "DateBecameRep_YYYY_MM_DD",
    "DateBecameRep_NumberOfYears", "DateOfHireAtCurrentFirm_YYYY_MM_DD",
    "DateOfHireAtCurrentFirm_NumberOfYears", "Number_YearsPriorFirm1", "Number_YearsPriorFirm2",
    "Number_YearsPriorFirm3", "Number_YearsPriorFirm4", "NumberFirmAssociations",
    "NumberRIAFirmAssociations", "Number_IAReps", "Number_BranchAdvisors", "Number_RegisteredStates",
    "DuallyRegisteredBDRIARep", "BreakawayRep", "KnownNonAdvisor", "Has_Series_7", "Has_Series_65",
    "Has_Series_66", "Has_Series_24", "Has_CFP", "Has_CFA", "Has_CIMA", "Has_AIF", "Has_Disclosure",
    "Is_Owner", "Is_IndependentContractor", "Has_Insurance_License", "processed_at",
)
# fmt: on
SHIFTED_TEXT, SHIFTED_SHARE = "Osseo", 0.00026
_SHIFTED_INTO = ("MilesToWork", "TotalAssetsInMillions", "NumberClients_Individuals", "AUMGrowthRate_1Year")
_CLIENT_COUNTS = ("NumberClients_Individuals", "NumberClients_HNWIndividuals")
_DUPLICATE_SHARE = 0.0005
_MISSING_SHARE = 0.005
_SERIES = ("Has_Series_7", "Has_Series_65", "Has_Series_66", "Has_Series_24")


def rep_tables(
    world: World, quarter: Quarter, firm_text: dict[str, pa.Array]
) -> tuple[list[pa.Table], dict[str, int], np.ndarray]:
    """Three tables (territories T1, T2, T3), the dirt planted in them, and rows per firm (F,).

    `firm_text` holds the firm-level columns as one text per firm; they are repeated on each of its advisors.
    """
    random = random_source(world.seed, 20, day_number(quarter.as_of))
    job_of, absent = shown_job(world, quarter.as_of), random.random(world.advisors.count) < _MISSING_SHARE
    visible = (job_of >= 0) & ~absent
    first, extra = np.flatnonzero(visible), visible[world.advisors.extra_rep]
    rep = np.concatenate([first, world.advisors.extra_rep[extra]])
    job = job_of[rep]
    primary = world.jobs.firm[job]
    firm = np.concatenate([primary[: len(first)], world.advisors.extra_firm[extra]])
    keep = np.ones(len(rep), dtype=bool)
    keep[len(first) :] = firm[len(first) :] != primary[len(first) :]
    rep, job, primary, firm = rep[keep], job[keep], primary[keep], firm[keep]
    columns = _career_columns(world, quarter, rep, job, firm, primary)
    columns |= _person_columns(world, quarter, rep, firm)
    columns |= {name: text.take(pa.array(firm)) for name, text in firm_text.items()}
    table = _with_shifted_cells(pa.table(columns).select(REP_COLUMNS[:-1]), random)
    territory = world.advisors.territory[rep]
    tables, duplicates = _territories(table, territory, quarter, random)
    dirt = {
        "rep_rows": len(rep) + duplicates,
        "rep_distinct": len(first),
        "rep_rows_of_further_firms": len(rep) - len(first),
        "rep_duplicate_rows": duplicates,
        "rep_shifted_cells": _count(tables, _SHIFTED_INTO, SHIFTED_TEXT),
        "rep_few_clients_cells": _count(tables, _CLIENT_COUNTS, "< 5"),
        "rep_missing": int(((job_of >= 0) & absent).sum()),
    }
    return tables, dirt, np.bincount(firm, minlength=world.firms.count)


def _career_columns(
    world: World, quarter: Quarter, rep: np.ndarray, job: np.ndarray, firm: np.ndarray, primary: np.ndarray
) -> dict[str, pa.Array]:
    day, jobs, advisors = day_number(quarter.as_of), world.jobs, world.advisors
    firm_crd = number_text(world.firms.crd)
    fixed = random_source(world.seed, 21).random((2, advisors.count))
    no_experience, no_tenure = fixed[0][rep] < 0.024, fixed[1][rep] < 0.042
    columns = {
        "RepCRD": number_text(advisors.crd[rep]),
        "RIAFirmCRD": firm_crd.take(pa.array(firm)),
        "PrimaryRIAFirmCRD": firm_crd.take(pa.array(primary)),
        "DateBecameRep_YYYY_MM_DD": _unless(no_experience, day_text(advisors.career_start[rep])),
        "DateBecameRep_NumberOfYears": _unless(no_experience, _years(day - advisors.career_start[rep])),
        "DateOfHireAtCurrentFirm_YYYY_MM_DD": _unless(no_tenure, day_text(jobs.start[job])),
        "DateOfHireAtCurrentFirm_NumberOfYears": _unless(no_tenure, _years(day - jobs.start[job])),
    }
    for back in range(1, 5):
        earlier = np.maximum(job - back, 0)
        known = (job >= back) & (jobs.rep[earlier] == rep) & (jobs.end_known[earlier] < day)
        years = _years(jobs.end[earlier] - jobs.start[earlier])
        columns[f"Number_YearsPriorFirm{back}"] = _unless(~known, years)
    associations = np.bincount(rep, minlength=advisors.count)[rep]
    columns["NumberRIAFirmAssociations"] = number_text(associations)
    columns["NumberFirmAssociations"] = number_text(associations + advisors.is_dual[rep])
    at_firm = np.bincount(firm, minlength=world.firms.count)[firm]
    columns["Number_IAReps"] = number_text(at_firm)
    columns["Number_BranchAdvisors"] = number_text(np.minimum(at_firm, 1 + at_firm % 7 + (at_firm // 40)))
    return columns


def _person_columns(world: World, quarter: Quarter, rep: np.ndarray, firm: np.ndarray) -> dict[str, pa.Array]:
    who, day = world.advisors, day_number(quarter.as_of)
    held = {name: since[rep] < day for name, since in who.licence_since.items()}
    metro, away = who.metro[rep], who.zip_suffix[rep] >= 85
    branch = np.where(away, world.firms.metro[firm], metro)
    unknown = ~who.home_known[rep]
    is_float = who.territory[rep] == 0
    series = sum(held[name].astype(int) << bit for bit, name in enumerate(_SERIES))
    miles = pa.array(who.miles[rep], from_pandas=True)  # NaN becomes null
    yes_no = {
        "DuallyRegisteredBDRIARep": who.is_dual[rep],
        "BreakawayRep": who.is_breakaway[rep],
        "Is_Owner": who.is_owner[rep],
        "Is_IndependentContractor": who.is_contractor[rep],
        **held,
    }
    return {name: _pick(("No", "Yes"), flag) for name, flag in yes_no.items()} | {
        "FirstName": _pick(words.FIRST_NAMES, who.first_name[rep]),
        "LastName": _pick(words.LAST_NAMES, who.last_name[rep]),
        "Title": _pick(words.TITLES, who.title[rep]),
        "Education": _pick(words.EDUCATION, who.education[rep]),
        "Gender": _pick(("Female", "Male"), who.is_male[rep]),
        "Email_BusinessType": _unless(~who.has_email[rep], person_email(world, rep)),
        "SocialMedia_LinkedIn": _pick((None, "https://linkedin.example/in/profile"), who.has_linkedin[rep]),
        "PersonalWebpage": _pick((None, "https://advisor.example"), who.has_webpage[rep]),
        "Notes": _pick((None, "Prefers e-mail"), who.zip_suffix[rep] == 42),
        "Licenses": _pick(_licence_texts(), series),
        "Home_City": _unless(unknown, _metro_text(1, metro)),
        "Home_State": _unless(unknown, _metro_text(2, metro)),
        "Home_ZipCode": _unless(unknown, _zip(metro, who.zip_suffix[rep], is_float)),
        "Home_MetropolitanArea": _unless(unknown, _metro_text(0, metro)),
        "Branch_City": _metro_text(1, branch),
        "Branch_State": _metro_text(2, branch),
        "Branch_ZipCode": _zip(branch, (who.zip_suffix[rep] * 7 + firm) % 100, is_float),
        "MilesToWork": pc.cast(miles, pa.string()),
        "Number_RegisteredStates": number_text(np.minimum(who.registered_states[rep], 50)),
        "KnownNonAdvisor": _pick(("No", "Unknown", "Yes"), who.known_non_advisor[rep]),
    }


def person_email(world: World, rep: np.ndarray) -> pa.Array:
    """first.last@mail.example of each advisor."""
    first = pc.utf8_lower(_pick(words.FIRST_NAMES, world.advisors.first_name[rep]))
    last = pc.utf8_lower(_pick(words.LAST_NAMES, world.advisors.last_name[rep]))
    return pc.binary_join_element_wise(pc.binary_join_element_wise(first, last, "."), "mail.example", "@")


def _with_shifted_cells(table: pa.Table, random: np.random.Generator) -> pa.Table:
    """A city name lands in a numeric column in SHIFTED_SHARE of the rows, one cell per row."""
    count = max(len(_SHIFTED_INTO), round(table.num_rows * SHIFTED_SHARE))
    rows = random.choice(table.num_rows, count, replace=False)
    for position, name in enumerate(_SHIFTED_INTO):
        mask = np.zeros(table.num_rows, dtype=bool)
        mask[rows[position :: len(_SHIFTED_INTO)]] = True
        values = pc.if_else(pa.array(mask), SHIFTED_TEXT, table[name])
        table = table.set_column(table.schema.get_field_index(name), name, values)
    return table


def _count(tables: list[pa.Table], names: tuple[str, ...], text: str) -> int:
    return sum(pc.sum(pc.equal(table[name], text)).as_py() or 0 for table in tables for name in names)


def _territories(
    table: pa.Table, territory: np.ndarray, quarter: Quarter, random: np.random.Generator
) -> tuple[list[pa.Table], int]:
    """Split by territory; some rows come twice: half a day later in the same file, half in another file."""
    count = max(2, round(table.num_rows * _DUPLICATE_SHARE))
    twice = random.choice(table.num_rows, count, replace=False)
    later, elsewhere = twice[: count // 2], twice[count // 2 :]
    rows = np.concatenate([np.arange(table.num_rows), later, elsewhere])
    where = np.concatenate([territory, territory[later], (territory[elsewhere] + 1) % 3])
    is_late = np.zeros(len(rows), dtype=int)
    is_late[table.num_rows : table.num_rows + len(later)] = 1
    tables = []
    for code in range(3):
        inside = np.flatnonzero(where == code)
        stamps = [f"{quarter.as_of + timedelta(days=2 + late)} 04:{10 * (code + 1)}:00" for late in (0, 1)]
        part = table.take(pa.array(rows[inside]))
        tables.append(part.append_column("processed_at", _pick(stamps, is_late[inside])))
    return tables, count


def _pick(texts: Iterable[str | None], code: np.ndarray) -> pa.Array:
    return pa.array(list(texts), pa.string()).take(pa.array(np.asarray(code).astype(np.int32)))


def _unless(missing: np.ndarray, text: pa.Array) -> pa.Array:
    return pc.if_else(pa.array(missing), pa.scalar(None, pa.string()), text)


def _years(days: np.ndarray) -> pa.Array:
    return pc.cast(pa.array(np.round(np.asarray(days) / 365.25, 1)), pa.string())


def _metro_text(field: int, metro: np.ndarray) -> pa.Array:
    return _pick((str(entry[field]) for entry in words.METROS), metro)


def _zip(metro: np.ndarray, suffix: np.ndarray, is_float: np.ndarray) -> pa.Array:
    """ZIP codes; where the vendor exported them as numbers, '10001.0' and without leading zeros."""
    code = np.array([entry[3] for entry in words.METROS])[metro] * 100 + suffix
    text = number_text(code)
    return pc.if_else(
        pa.array(is_float), pc.binary_join_element_wise(text, "0", "."), pc.utf8_lpad(text, 5, padding="0")
    )


def _licence_texts() -> list[str | None]:
    names = [name.removeprefix("Has_").replace("_", " ") for name in _SERIES]
    texts = ("; ".join(name for bit, name in enumerate(names) if code >> bit & 1) for code in range(16))
    return [text or None for text in texts]

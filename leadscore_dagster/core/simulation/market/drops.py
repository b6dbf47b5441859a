"""The vendor's quarterly drop: firm figures as printed, the files of one quarter and their manifest.

Not here: the advisor rows (rep_rows), the CRM extract (crm).
"""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from leadscore_dagster.core.simulation.market import words
from leadscore_dagster.core.simulation.market.firms import shown_assets
from leadscore_dagster.core.simulation.market.rep_rows import rep_tables
from leadscore_dagster.core.simulation.market.shown import (
    employment_as_shown,
    firm_history_as_shown,
    firm_names,
    number_text,
    shown_job,
)
from leadscore_dagster.core.simulation.market.size import Quarter, day_number, random_source
from leadscore_dagster.core.simulation.market.world import World

_MISSING_SHARE = 0.005


def write_drop(
    world: World, quarter: Quarter, folder: Path, file_format: str, connection: duckdb.DuckDBPyConnection
) -> dict[str, int]:
    """Write all files of one quarter and its manifest; returns the dirt planted, by kind.

    `connection` is any in-memory DuckDB connection: it formats money and writes CSV.
    """
    assets = shown_assets(world.firms, day_number(quarter.as_of))
    figures = _firm_figures(world, quarter, assets)
    tables, dirt, rows_per_firm = rep_tables(world, quarter, _rep_text(world, figures, connection))
    files = {}
    for code, table in enumerate(tables, start=1):
        files[f"reps_{quarter.name}_T{code}"] = table
    del tables
    written = [write_table(table, folder / f"{name}.{file_format}", connection) for name, table in files.items()]
    files.clear()
    firms = _firm_table(world, quarter, figures, rows_per_firm, connection)
    written.append(write_table(firms, folder / f"firms_{quarter.name}.{file_format}", connection))
    employment, missing = _employment_with_gaps(world, quarter)
    written.append(write_table(employment, folder / f"employment_{quarter.name}.{file_format}", connection))
    history = firm_history_as_shown(world, quarter.as_of, assets)
    written.append(write_table(history, folder / f"firm_history_{quarter.name}.{file_format}", connection))
    manifest = {
        "quarter": quarter.name,
        "as_of": quarter.as_of.isoformat(),
        "available_at": quarter.available_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "files": written,
    }
    (folder / f"manifest_{quarter.name}.json").write_text(json.dumps(manifest, indent=2) + "\n")
    return dirt | {"employment_reps_missing": missing, "employment_rows": employment.num_rows}


def write_table(table: pa.Table, path: Path, connection: duckdb.DuckDBPyConnection) -> dict[str, str | int]:
    """Write CSV or Parquet by the path's suffix; returns the manifest entry {name, rows, sha256}."""
    if path.suffix == ".parquet":
        pq.write_table(table, path, compression="zstd")
    else:
        connection.from_arrow(table).write_csv(str(path), header=True)
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return {"name": path.name, "rows": table.num_rows, "sha256": digest}


def _firm_figures(world: World, quarter: Quarter, assets: np.ndarray) -> dict[str, np.ndarray]:
    """Firm-level numbers (F,) as known at the quarter's as_of; NaN where the firm does not disclose them."""
    firms = world.firms
    known = ~np.isnan(assets)
    newest = assets.shape[0] - 1 - np.argmax(known[::-1], axis=0)
    everyone = np.arange(firms.count)
    total = np.where(known.any(axis=0), assets[newest, everyone], np.nan)
    year_ago = firms.assets[np.maximum(newest - 12, 0), everyone]
    growth1 = 100 * (total / year_ago - 1)
    growth5 = 100 * (np.exp(firms.early_growth) * total / firms.assets[0] - 1)
    hidden = firms.undisclosed
    clients = np.maximum(np.round(total / firms.average_account), 1)
    individuals = np.round(clients * firms.individual_share)
    wealthy = np.round(individuals * firms.wealthy_share)
    total_millions = np.where(hidden > 1, np.nan, total / 1e6)
    return {
        "total": total_millions,
        "growth1": np.where(hidden > 0, np.nan, growth1),
        "growth5": np.where(hidden > 0, np.nan, growth5),
        "clients": np.where(hidden > 2, np.nan, clients),
        "individuals": np.where(hidden > 2, np.nan, individuals),
        "wealthy": np.where(hidden > 2, np.nan, wealthy),
        "assets_individuals": total_millions * firms.individual_share * 0.8,
        "assets_wealthy": total_millions * np.sqrt(firms.wealthy_share) * 0.7,
        "assets_mutual": total_millions * firms.individual_share * firms.individual_share * 0.4,
        "assets_private": total_millions * np.where(everyone % 4 == 0, 0.05 * firms.wealthy_share, 0),
    }


def _rep_text(
    world: World, figures: dict[str, np.ndarray], connection: duckdb.DuckDBPyConnection
) -> dict[str, pa.Array]:
    share = np.where(np.isnan(figures["clients"]), np.nan, 100 * world.firms.individual_share)
    return {
        "TotalAssetsInMillions": _money(figures["total"], connection),
        "NumberClients_Individuals": _client_count(figures["individuals"]),
        "NumberClients_HNWIndividuals": _client_count(figures["wealthy"]),
        "AssetsInMillions_Individuals": _decimal(figures["assets_individuals"], 2),
        "AssetsInMillions_HNWIndividuals": _decimal(figures["assets_wealthy"], 2),
        "AssetsInMillions_MutualFunds": _decimal(figures["assets_mutual"], 2),
        "AssetsInMillions_PrivateFunds": _decimal(figures["assets_private"], 2),
        "PercentClients_Individuals": _decimal(share, 1),
        "AUMGrowthRate_1Year": _decimal(figures["growth1"], 1),
        "AUMGrowthRate_5Year": _decimal(figures["growth5"], 1),
    }


def _firm_table(
    world: World,
    quarter: Quarter,
    figures: dict[str, np.ndarray],
    rows_per_firm: np.ndarray,
    connection: duckdb.DuckDBPyConnection,
) -> pa.Table:
    """One row per firm with at least one advisor row in this drop."""
    firms = world.firms
    employees = np.maximum(np.round(rows_per_firm * firms.employees_per_rep), 1)
    account = np.where(firms.undisclosed > 1, np.nan, firms.average_account)
    states = pa.array([str(entry[2]) for entry in words.METROS])
    stamp = f"{quarter.as_of + timedelta(days=2)} 04:40:00"
    table = pa.table(
        {
            "RIAFirmCRD": number_text(firms.crd),
            "RIAFirmName": firm_names(firms),
            "OwnershipType": pa.array(words.OWNERSHIP).take(pa.array(firms.ownership)),
            "Number_Employees": number_text(employees),
            "Number_InvestmentAdvisoryClients": _whole(figures["clients"]),
            "AverageAccountSize": _money(account, connection),
            "Percent_ClientsUS": _decimal(100 * firms.united_states_share, 1),
            "Firm_State": states.take(pa.array(firms.metro)),
            "processed_at": pa.repeat(pa.scalar(stamp), firms.count),
        }
    )
    return table.take(pa.array(np.flatnonzero(rows_per_firm)))


def _employment_with_gaps(world: World, quarter: Quarter) -> tuple[pa.Table, int]:
    """The employment history without the few advisors the vendor forgot in this drop."""
    random = random_source(world.seed, 30, day_number(quarter.as_of))
    forgotten = random.random(world.advisors.count) < _MISSING_SHARE
    crds = number_text(world.advisors.crd[forgotten])
    table = employment_as_shown(world, quarter.as_of)
    present = shown_job(world, quarter.as_of)[forgotten] >= 0
    return table.filter(pc.invert(pc.is_in(table["RIA_CONTACT_CRD_ID"], crds))), int(present.sum())


def _money(value: np.ndarray, connection: duckdb.DuckDBPyConnection) -> pa.Array:
    """'$1,295.31'; null for NaN."""
    numbers = pa.table({"x": pa.array(value, from_pandas=True)})
    text = connection.from_arrow(numbers).project("format('${:,.2f}', x) AS x").to_arrow_table()
    return text["x"].combine_chunks()


def _decimal(value: np.ndarray, digits: int) -> pa.Array:
    return pc.cast(pa.array(np.round(value, digits) + 0.0, from_pandas=True), pa.string())


def _whole(value: np.ndarray) -> pa.Array:
    return pc.cast(pc.cast(pa.array(value, from_pandas=True), pa.int64()), pa.string())


def _client_count(value: np.ndarray) -> pa.Array:
    """Counts below five are printed as '< 5'."""
    return pc.if_else(pa.array(value < 5), pa.scalar("< 5"), _whole(value))

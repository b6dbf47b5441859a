import csv

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from leadscore_dagster.core.delivery import ranked_csv
from leadscore_dagster.core.delivery.ranked_csv import percent_text, write_ranked_csv
from leadscore_dagster.core.errors import InputError
from leadscore_dagster_tests.scoring.world import leads, scored

NAMES = [
    "Zoë Müller",
    "王小明",
    "O'Brien, Pat",
    'Ann "Annie" Lee',
    "=HYPERLINK(1)",
    "+41 44",
    "-1",
    "@x",
    "\tx",
    None,
]


def carry(table: pa.Table) -> pa.Table:
    ids = sorted(table["decision_id"].to_pylist())
    return pa.table(
        {
            "decision_id": ids,
            "FirstName": pa.array([NAMES[i % len(NAMES)] for i in range(len(ids))], pa.string()),
            "Since": pa.array([pd.Timestamp("2024-02-29", tz="UTC").to_pydatetime()] * len(ids)),
        }
    )


def rows_of(path):
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_the_list_reads_back_with_the_csv_module_and_pandas(tmp_path):
    table = scored(leads(40))
    path = tmp_path / "list.csv"
    assert write_ranked_csv(table, carry(table), path) == 40
    assert path.read_bytes().startswith(b"\xef\xbb\xbf")
    rows, frame = rows_of(path), pd.read_csv(path)
    assert list(rows[0]) == list(frame.columns)
    assert list(rows[0])[:8] == [
        *(
            "rank",
            "percentile",
            "bucket",
            "action",
            "FirstName",
            "Since",
            "expected_rate",
            "narrative",
        )
    ]
    assert list(rows[0])[-4:] == ["decision_id", "RepCRD", "model_version", "vintage_as_of"]
    assert [row["rank"] for row in rows] == [str(i) for i in range(1, 41)]
    assert frame["decision_id"].tolist() == table["decision_id"].to_pylist()
    assert frame["RepCRD"].tolist() == table["RepCRD"].to_pylist()
    assert rows[0]["vintage_as_of"] == "2024-04-01"
    assert rows[0]["Since"] == "2024-02-29T00:00:00Z"
    assert rows[0]["expected_rate"] == "20.0% (13.3% to 28.9%)"


def test_names_of_every_alphabet_come_back_whole_beside_their_own_lead(tmp_path):
    table = scored(leads(40))
    path = tmp_path / "list.csv"
    write_ranked_csv(table, carry(table), path)
    carried = carry(table).to_pylist()
    own = {row["decision_id"]: row["FirstName"] for row in carried}
    dangerous = tuple("=+-@\t")
    for row in rows_of(path):
        name = own[row["decision_id"]] or ""
        assert row["FirstName"] == (f"'{name}" if name.startswith(dangerous) else name)


def test_no_cell_from_outside_starts_like_a_formula(tmp_path):
    features = leads(60)
    path = tmp_path / "list.csv"
    table = scored(features.set_column(3, "tenure_months", pa.array(np.linspace(-900, -1, 60))))
    write_ranked_csv(table, carry(table), path)
    rows = rows_of(path)
    assert any("=SUM(A1)" in (row[f"reason_{place}"] or "") for row in rows for place in range(1, 6))
    assert not [cell for row in rows for cell in row.values() if cell.startswith(tuple("=+-@\t"))]


def test_no_leads_give_a_valid_file_with_its_header(tmp_path):
    empty = scored(leads(3).slice(0, 0))
    assert write_ranked_csv(empty, carry(empty), tmp_path / "list.csv") == 0
    frame = pd.read_csv(tmp_path / "list.csv")
    assert len(frame) == 0
    assert list(frame.columns)[:5] == ["rank", "percentile", "bucket", "action", "FirstName"]


def test_scores_without_drivers_and_without_a_crm_make_a_list_too(tmp_path):
    table = scored(leads(12), with_drivers=False)
    write_ranked_csv(table, None, tmp_path / "list.csv")
    assert len(rows_of(tmp_path / "list.csv")) == 12


def test_the_same_scores_in_another_order_give_the_same_bytes(tmp_path):
    table = scored(leads(30))
    write_ranked_csv(table, carry(table), tmp_path / "a.csv")
    mixed = np.random.default_rng(1).permutation(30)
    write_ranked_csv(table.take(pa.array(mixed)), carry(table).take(pa.array(mixed)), tmp_path / "b.csv")
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()


def test_a_lead_missing_from_the_crm_or_there_twice_is_refused(tmp_path):
    table = scored(leads(10))
    with pytest.raises(InputError, match=r"no row to carry.*2 rows"):
        write_ranked_csv(table, carry(table).slice(2), tmp_path / "list.csv")
    twice = pa.concat_tables([carry(table), carry(table).slice(0, 1)])
    with pytest.raises(InputError, match=r"more than one row.*1 row\b"):
        write_ranked_csv(table, twice, tmp_path / "list.csv")
    with pytest.raises(InputError, match="column bucket"):
        write_ranked_csv(table, carry(table).rename_columns(["decision_id", "bucket", "Since"]), tmp_path / "list.csv")
    with pytest.raises(InputError, match="folder"):
        write_ranked_csv(table, None, tmp_path / "nowhere" / "list.csv")
    assert list(tmp_path.iterdir()) == []


def test_a_write_that_fails_leaves_the_old_list_and_nothing_beside_it(tmp_path, monkeypatch):
    path = tmp_path / "list.csv"
    write_ranked_csv(scored(leads(5)), None, path)
    before = path.read_bytes()

    def half(table, file):
        file.write(b"half a li")
        raise OSError("the disk is full")

    monkeypatch.setattr(ranked_csv, "_write_to", half)
    with pytest.raises(OSError, match="full"):
        write_ranked_csv(scored(leads(9)), None, path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["list.csv"]


def test_shares_are_shown_with_as_many_decimals_as_they_need():
    shares = np.array([0.5, 0.0387, 0.0042, 0.00042, 0.0, 1.0, np.nan])
    assert percent_text(shares).to_pylist() == ["50.0%", "3.9%", "0.42%", "0.042%", "0.000%", "100.0%", None]

"""The files of the lake: replaced whole whatever happens, equal bytes for equal data, bounded memory."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.warehouse import Lake, table
from leadscore_dagster.core.warehouse.lake.parquet import ROW_GROUP_ROWS


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path, "advisor_mql", threads=2)


def filled(lake: Lake) -> Lake:
    for partition in ("2024-01-01", "2024-04-01"):
        lake.write_partition("rep_vintage", partition, pa.table({"RepCRD": range(3), "as_of": [partition] * 3}))
    return lake


@pytest.mark.parametrize("kept", [0, 20, 0.5, 0.98], ids=["empty", "header", "half", "no footer"])
def test_a_truncated_partition_is_named_and_the_others_still_read(lake: Lake, kept: float) -> None:
    filled(lake)
    path = lake.root / "advisor_mql/rep_vintage/2024-01-01.parquet"
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content)) if kept < 1 else int(kept)])
    with pytest.raises(InputError, match=r"truncated or damaged, in rep_vintage/2024-01-01.*materialize it again"):
        table(lake, "SELECT * FROM rep_vintage")
    filled(lake)
    assert table(lake, "SELECT * FROM rep_vintage").num_rows == 6


def test_damaged_pages_behind_a_good_footer_are_named(lake: Lake) -> None:
    random = np.random.default_rng(1)
    lake.write_partition("t", "p", pa.table({"x": random.normal(size=50_000)}))
    path = lake.root / "advisor_mql/t/p.parquet"
    content = bytearray(path.read_bytes())
    content[1_000:200_000] = bytes(199_000)
    path.write_bytes(content)
    with pytest.raises(InputError, match="truncated or damaged, in t/p"):
        table(lake, "SELECT SUM(x) AS s FROM t")


def test_equal_data_gives_equal_bytes_however_it_is_cut(lake: Lake) -> None:
    random = np.random.default_rng(7)
    rows = ROW_GROUP_ROWS * 2 + 17
    data = pa.table(
        {
            "k": np.arange(rows),
            "x": pa.array(random.normal(size=rows), mask=random.random(rows) < 0.1),
            "s": random.choice(["a", "bb", "ccc"], rows),
        }
    )
    digests = set()
    for chunk in (rows, 1_000, 50_001, ROW_GROUP_ROWS):
        pieces = data.to_reader(max_chunksize=chunk)
        assert lake.write_partition("t", "p", pieces) == rows
        digests.add(lake.digest("t", "p"))
    lake.write_partition("t", "q", (batch for batch in data.replace_schema_metadata({"made": "now"}).to_batches()))
    assert {lake.digest("t", "q")} == digests
    assert table(lake, "SELECT COUNT(*) AS n, SUM(k) AS s FROM t").to_pylist() == [
        {"n": 2 * rows, "s": rows * (rows - 1)}
    ]


def test_a_producer_that_fails_half_way_leaves_no_file_behind(lake: Lake) -> None:
    lake.write_partition("t", "p", pa.table({"k": [1]}))

    def broken():
        yield pa.record_batch({"k": list(range(ROW_GROUP_ROWS + 1))})
        raise RuntimeError("the source went away")

    with pytest.raises(RuntimeError, match="went away"):
        lake.write_partition("t", "p", broken())
    assert [path.name for path in (lake.root / "advisor_mql/t").iterdir()] == ["p.parquet"]


def run(script: str, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", script, *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_disk_that_refuses_gives_one_clear_error_and_keeps_the_old_partition(lake: Lake) -> None:
    lake.write_partition("t", "p", pa.table({"k": [1]}))
    script = """
import resource, sys
import numpy as np, pyarrow as pa
from pathlib import Path
from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.warehouse import Lake
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    data = pa.table({"k": np.random.default_rng(1).random(10**6)})
    Lake(Path(sys.argv[1]), "advisor_mql").write_partition("t", "p", data)
except InputError as error:
    print(error)
"""
    output, errors = run(script, str(lake.root)).communicate(timeout=60)
    assert "the disk refused the write" in output, errors
    assert "the partition is as it was before, in t/p" in output
    assert table(lake, "SELECT k FROM t").to_pylist() == [{"k": 1}]
    assert [path.name for path in (lake.root / "advisor_mql/t").iterdir()] == ["p.parquet"]


@pytest.fixture
def tiny_disk(tmp_path: Path):
    """A file system of 256 kB, where this machine lets us mount one."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", folder], capture_output=True).returncode:
        pytest.skip("mounting a file system is not allowed here")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk_says_so(tiny_disk: Path) -> None:
    lake = Lake(tiny_disk, "advisor_mql")
    lake.write_partition("t", "p", pa.table({"k": [1]}))
    with pytest.raises(InputError, match="the disk is full; the partition is as it was before, in t/p"):
        lake.write_partition("t", "p", pa.table({"k": np.random.default_rng(1).random(10**6)}))
    assert table(lake, "SELECT k FROM t").to_pylist() == [{"k": 1}]


WRITER = """
import sys, itertools
import numpy as np, pyarrow as pa
from pathlib import Path
from leadscore_dagster.core.warehouse import Lake
lake = Lake(Path(sys.argv[1]), "advisor_mql")
for version in itertools.count(int(sys.argv[2])):
    lake.write_partition("t", "p", pa.table({"version": np.full(50_000, version), "k": np.arange(50_000)}))
    print(version, flush=True)
"""
WHOLE = "SELECT COUNT(*) AS n, MIN(version) AS low, MAX(version) AS high, SUM(k) AS s FROM t"


def is_whole(row: dict[str, int]) -> bool:
    """One version only, with all its rows."""
    return row["n"] == 50_000 and row["low"] == row["high"] and row["s"] == 50_000 * 49_999 // 2


def test_a_writer_killed_at_any_moment_leaves_the_old_partition_or_the_new_one(lake: Lake) -> None:
    version = 0
    for attempt in range(4):
        writer = run(WRITER, str(lake.root), str(version))
        version = int(writer.stdout.readline()) + 1
        time.sleep(0.017 * attempt)
        os.kill(writer.pid, signal.SIGKILL)
        printed = writer.communicate()[0].split()
        (row,) = table(lake, WHOLE).to_pylist()
        assert is_whole(row)
        last = int(printed[-1]) if printed else version - 1
        assert row["low"] in (last, last + 1)
        version = last + 1
    (lake.root / "advisor_mql/t/.p.left-by-a-killed-run.tmp").write_bytes(b"PAR1")
    (lake.root / "advisor_mql/t/.q.of-another-partition.tmp").write_bytes(b"PAR1")
    assert lake.partitions("t") == ["p"]
    lake.write_partition("t", "p", pa.table({"version": [1], "k": [1]}))
    names = sorted(path.name for path in (lake.root / "advisor_mql/t").iterdir())
    assert names == [".q.of-another-partition.tmp", "p.parquet"]


def test_two_processes_read_while_one_writes(lake: Lake) -> None:
    writer = run(WRITER, str(lake.root), "0")
    writer.stdout.readline()
    script = f"""
import sys, json
from pathlib import Path
from leadscore_dagster.core.warehouse import Lake, table
lake = Lake(Path(sys.argv[1]), "advisor_mql", threads=1)
print(json.dumps([table(lake, {WHOLE!r}).to_pylist()[0] for _ in range(25)]))
"""
    readers = [run(script, str(lake.root)) for _ in range(2)]
    try:
        results = [reader.communicate(timeout=120) for reader in readers]
    finally:
        writer.kill()
        writer.communicate()
    for output, errors in results:
        rows = json.loads(output or "[]")
        assert len(rows) == 25, errors
        assert all(is_whole(row) for row in rows)
    assert len({row["low"] for output, _ in results for row in json.loads(output)}) > 1


def test_a_partition_larger_than_memory_allows_streams_through(lake: Lake) -> None:
    script = """
import resource, sys
import numpy as np, pyarrow as pa
from pathlib import Path
from leadscore_dagster.core.warehouse import Lake
lake = Lake(Path(sys.argv[1]), "advisor_mql", threads=1, memory_limit="300MB")
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
schema = pa.schema([(f"c{i}", pa.float64()) for i in range(20)])
batches = (pa.record_batch([np.full(20_000, n + i / 7) for i in range(20)], schema=schema) for n in range(100))
lake.write_partition("small", "p", pa.table({"c": [1.0]}))
before = peak()
rows = lake.write_partition("t", "p", batches)
written = peak()
copied = lake.create_partition("u", "p", "SELECT * FROM t WHERE c0 >= @low", {"low": 0.0})
print(rows, copied, written - before, peak() - before)
"""
    output, errors = run(script, str(lake.root)).communicate(timeout=120)
    assert output, errors
    rows, copied, write_megabytes, copy_megabytes = map(int, output.split())
    assert rows == copied == 2_000_000
    assert write_megabytes < 150  # the data are 305 MB in memory
    assert copy_megabytes < 250


def test_files_hold_zstd_columns_and_no_metadata_that_could_change(lake: Lake) -> None:
    filled(lake)
    metadata = pq.read_metadata(lake.root / "advisor_mql/rep_vintage/2024-01-01.parquet")
    assert metadata.metadata is None
    assert metadata.row_group(0).column(0).compression == "ZSTD"

"""Seconds and peak memory of the whole demo in a fresh home, at one or several sizes.

    python benchmarks/demo.py [LEADS ...]

Without a size: the demo's own. With several, the costs are compared: advisors, firms and leads grow together.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from resource import RUSAGE_CHILDREN, getrusage


def run(leads: int | None) -> tuple[float, float]:
    """Wall and CPU seconds of one demo; prints them with the peak memory so far."""
    with tempfile.TemporaryDirectory() as home:
        command = [sys.executable, "-m", "leadscore_dagster", "demo", "--home", home]
        before, started = getrusage(RUSAGE_CHILDREN), time.perf_counter()
        sized = [] if leads is None else ["--leads", str(leads)]
        ended = subprocess.run([*command, *sized], check=False, capture_output=True, text=True)
        wall, after = time.perf_counter() - started, getrusage(RUSAGE_CHILDREN)
    if ended.returncode:  # a refused candidate is not scored with: less was done than is to be timed
        sys.exit(f"{' '.join(sized)}: exit code {ended.returncode}\n{ended.stdout}{ended.stderr}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    size = "demo size" if leads is None else f"{leads:,} leads"
    print(f"{size}: {wall:.0f} s, {cpu:.0f} s CPU, peak {after.ru_maxrss / 2**20:.2f} GiB", flush=True)
    return wall, cpu


def main(sizes: list[int]) -> None:
    found = [run(size) for size in sizes or [None]]
    for (wall, cpu), (more_wall, more_cpu), small, large in zip(found, found[1:], sizes, sizes[1:], strict=False):
        print(
            f"{large / small:.1f} times the leads: {more_wall / wall:.2f} times the time, {more_cpu / cpu:.2f} the CPU"
        )


if __name__ == "__main__":
    main([int(size) for size in sys.argv[1:]])

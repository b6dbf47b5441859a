"""Behaviours of Dagster this project leans on. A failure here means: read the release notes before anything else."""

from __future__ import annotations

import dagster as dg
import pytest

QUARTERS = dg.TimeWindowPartitionsDefinition(
    cron_schedule="0 0 1 1,4,7,10 *", start="2024-01-01", fmt="%Y-%m-%d", end_offset=1
)


def _run(passed: bool, severity: dg.AssetCheckSeverity) -> tuple[dg.ExecuteInProcessResult, dg.DagsterInstance]:
    @dg.asset(partitions_def=QUARTERS)
    def table() -> None: ...

    @dg.asset(partitions_def=QUARTERS, deps=[table])
    def model() -> None: ...

    @dg.asset_check(asset=table, blocking=True, partitions_def=QUARTERS)
    def audit() -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=passed, severity=severity)

    instance = dg.DagsterInstance.ephemeral()
    result = dg.materialize([table, model, audit], partition_key="2024-04-01", instance=instance, raise_on_error=False)
    return result, instance


def test_a_failed_blocking_error_stops_the_same_run() -> None:
    result, _ = _run(False, dg.AssetCheckSeverity.ERROR)
    assert not result.success
    assert [event.asset_key.to_user_string() for event in result.get_asset_materialization_events()] == ["table"]


def test_a_failed_blocking_warning_does_not_stop_the_run() -> None:
    result, _ = _run(False, dg.AssetCheckSeverity.WARN)
    assert result.success
    assert len(result.get_asset_materialization_events()) == 2


def test_a_partitioned_check_is_recorded_with_its_partition() -> None:
    result, _ = _run(True, dg.AssetCheckSeverity.ERROR)
    assert [check.partition for check in result.get_asset_check_evaluations()] == ["2024-04-01"]


def test_a_later_run_walks_past_a_failed_blocking_check() -> None:
    """Why every consumer asks the gate again: Dagster alone would let this through."""

    @dg.asset(partitions_def=QUARTERS)
    def table() -> None: ...

    @dg.asset(partitions_def=QUARTERS, deps=[table])
    def model() -> None: ...

    @dg.asset_check(asset=table, blocking=True, partitions_def=QUARTERS)
    def audit() -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=False)

    instance = dg.DagsterInstance.ephemeral()
    dg.materialize([table, model, audit], partition_key="2024-04-01", instance=instance, raise_on_error=False)
    later = dg.materialize([table, model], selection=[model], partition_key="2024-04-01", instance=instance)
    assert later.success


def test_a_quarter_exists_on_its_first_day() -> None:
    from datetime import UTC, datetime

    with dg.partition_loading_context(effective_dt=datetime(2026, 10, 1, 0, 0, 1, tzinfo=UTC)):
        assert QUARTERS.get_last_partition_key() == "2026-10-01"


def test_partitioned_checks_are_still_marked_preview() -> None:
    with pytest.warns(dg.PreviewWarning):

        @dg.asset_check(asset="table", partitions_def=QUARTERS)
        def audit() -> dg.AssetCheckResult:
            return dg.AssetCheckResult(passed=True)

"""One small world for alerts: a few assets whose partitions say what happens to them, a webhook, and a daemon's tick.

The partition is the scenario: ``failed`` fails two blocking checks, ``warned`` one that warns, ``crashed`` crashes the
checks, ``unmade`` crashes the asset, ``fine`` is fine. The clock is a file, so that it survives a restart.
"""

import atexit
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import dagster as dg
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    InstigatorType,
    ScheduleInstigatorData,
    SensorInstigatorData,
    TickData,
    TickStatus,
)
from dagster._core.storage.schedules import SqliteScheduleStorage
from dagster_shared.error import SerializableErrorInfo

from leadscore_dagster.defs.alerts.definitions import ALERT_JOBS, alert_schedule, alert_sensor
from leadscore_dagster.defs.automation.switch import WAITS
from leadscore_dagster.defs.resources import Workspace

SCENARIOS = dg.StaticPartitionsDefinition(["fine", "failed", "warned", "crashed", "unmade", "refused", "both"])
DAYS = dg.DailyPartitionsDefinition(start_date="2026-01-01", end_offset=1)
MENDED = False  # a test sets it: whatever was wrong with the data no longer is
SECRET = "s3cr3tPassw0rd"
HOSTILE = f"cannot reach postgresql://scores:{SECRET}@db/x for 'Ann Smith' <!channel> [win](https://evil.example/?t=1)"


@dg.asset(key_prefix="toy", partitions_def=SCENARIOS, owners=["team:growth"])
def table(context: dg.AssetExecutionContext) -> None:
    if context.partition_key == "unmade":
        raise RuntimeError(HOSTILE)
    if context.partition_key == "refused":
        raise dg.Failure(f"The vintage is stale; ask vendor@example.com. {HOSTILE}", allow_retries=False)


@dg.multi_asset_check(
    name="toy_table_checks",
    specs=[
        dg.AssetCheckSpec(name, asset=["toy", "table"], partitions_def=SCENARIOS, blocking=name != "drift")
        for name in ("rows", "range", "drift")
    ],
)
def table_checks(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
    scenario = "fine" if MENDED else context.partition_key
    if scenario == "crashed":
        raise ValueError(HOSTILE)
    for name in ("rows", "range", "drift"):
        fails = {"failed": name != "drift", "warned": name == "drift", "both": name != "range"}.get(scenario, False)
        yield dg.AssetCheckResult(
            check_name=name,
            asset_key=["toy", "table"],
            passed=not fails,
            severity=dg.AssetCheckSeverity.WARN if name == "drift" else dg.AssetCheckSeverity.ERROR,
            description=f"{name} of {scenario} is <b>off</b>",
            metadata={"value": 0.25, "threshold": 0.1, "evidence": "Ann Smith"},
        )


@dg.asset(key_prefix="toy", deps=[table], partitions_def=SCENARIOS)
def model() -> None: ...


@dg.asset(key_prefix="toy", partitions_def=DAYS, owners=["team:sales"])
def scores() -> None: ...


REFRESH = dg.define_asset_job("toy_refresh", selection=[table, model])
SCORING = dg.define_asset_job("toy_daily_scores", selection=[scores])
SCHEDULE = dg.build_schedule_from_partitioned_job(SCORING, hour_of_day=6, name="toy_daily_schedule")
WAITING = dg.ScheduleDefinition(
    name="toy_waiting_schedule", job=SCORING, cron_schedule="0 6 * * *", metadata={WAITS: True}
)


@contextmanager
def quick_instance(folder: Path) -> Iterator[dg.DagsterInstance]:
    """An instance in memory, but for the ticks, which an instance in memory has no place for.

    Their empty database is made once and copied, as making it takes longer than most tests.
    """
    template = Path(tempfile.gettempdir()) / f"leadscore-empty-ticks-{os.getpid()}"
    if not template.is_dir():
        SqliteScheduleStorage.from_local(str(template))
        atexit.register(shutil.rmtree, template, ignore_errors=True)
    shutil.copytree(template, folder / "ticks")
    with dg.DagsterInstance.ephemeral() as instance:
        instance._schedule_storage = SqliteScheduleStorage.from_local(str(folder / "ticks"))
        yield instance


class Clocked(Workspace):
    """A workspace whose clock stands still until somebody sets it."""

    def now(self) -> datetime:
        return datetime.fromisoformat((Path(self.home) / "clock").read_text())


class Daemon:
    """What the daemon does with the alert sensor: look, drop known run keys, run what is asked for, keep the cursor."""

    def __init__(self, home: Path, instance: dg.DagsterInstance, cursor: str | None = None) -> None:
        self.home, self.instance, self.cursor = home, instance, cursor
        self.sensor, self.workspace = alert_sensor(home), Clocked(home=str(home))
        self.defs = dg.Definitions(
            assets=[table, model, scores],
            asset_checks=[table_checks],
            jobs=[REFRESH, SCORING, *ALERT_JOBS],
            schedules=[SCHEDULE, WAITING, alert_schedule(home)],
            sensors=[self.sensor],
            resources={"workspace": self.workspace},
            executor=dg.in_process_executor,
        )
        if not (home / "clock").is_file():
            self.set_clock(datetime.now(UTC))

    @property
    def now(self) -> datetime:
        return datetime.fromisoformat((self.home / "clock").read_text())

    def set_clock(self, now: datetime) -> None:
        (self.home / "clock").write_text(now.isoformat())

    def later(self, **span: float) -> None:
        self.set_clock(self.now + timedelta(**span))

    def run(self, scenario: str) -> str:
        """One run of the refresh; returns its id."""
        return self.execute("toy_refresh", partition_key=scenario).run_id

    def execute(self, job: str, run_config: object = None, **how: object) -> dg.ExecuteInProcessResult:
        quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
        return self.defs.resolve_job_def(job).execute_in_process(
            instance=self.instance,
            raise_on_error=False,
            run_config={**(run_config or {}), **quiet},  # type: ignore[dict-item]
            **how,  # type: ignore[arg-type]
        )

    def requests(self):  # type: ignore[no-untyped-def]
        """One tick of the sensor, its cursor not kept."""
        repository = self.defs.get_repository_def()
        with dg.build_sensor_context(
            self.instance, cursor=self.cursor, repository_def=repository, resources={"workspace": self.workspace}
        ) as context:
            return self.sensor.evaluate_tick(context)

    def look(self, keep_cursor: bool = True, launch: bool = True) -> list[dg.ExecuteInProcessResult]:
        """One tick of the sensor and the runs it leads to. ``keep_cursor=False``: killed before the cursor is kept."""
        seen = self.requests()
        runs = []
        for request in seen.run_requests or [] if launch else []:
            key = {"dagster/run_key": str(request.run_key)}
            if not self.instance.get_runs(dg.RunsFilter(tags=key)):
                runs.append(self.execute("notify", request.run_config, tags={**request.tags, **key}))
        if keep_cursor:
            self.cursor = seen.cursor
        return runs


class Webhook:
    """A server that keeps what it is sent, by path. ``answers``: path → status it gives, 200 by default."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.received: list[tuple[str, dict, dict]] = []
        self.answers: dict[str, int] = {}

    def url(self, path: str) -> str:
        return f"json://127.0.0.1:{self.port}/{path}"

    def messages(self, path: str) -> list[dict]:
        return [body for where, body, _ in self.received if where == f"/{path}"]


@contextmanager
def webhook() -> Iterator[Webhook]:
    """A webhook on a free port of this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status = hook.answers.get(self.path, 200)
            if status == 200:
                hook.received.append((self.path, body, dict(self.headers)))
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hook = Webhook(server.server_address[1])
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hook
    finally:
        server.shutdown()
        server.server_close()


def turn_on(instance: dg.DagsterInstance, name: str, since: datetime, every: int | None = None) -> InstigatorState:
    """A sensor, or a schedule when its name says so, that somebody has turned on. ``every``: seconds between ticks."""
    repository = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("leadscore"), "__repository__")
    schedule = name.endswith("schedule")
    return instance.add_instigator_state(
        InstigatorState(
            RemoteInstigatorOrigin(repository, name),
            InstigatorType.SCHEDULE if schedule else InstigatorType.SENSOR,
            InstigatorStatus.RUNNING,
            ScheduleInstigatorData("0 6 * * *", start_timestamp=since.timestamp())
            if schedule
            else SensorInstigatorData(last_sensor_start_timestamp=since.timestamp(), min_interval=every),
        )
    )


def tick(
    instance: dg.DagsterInstance,
    state: InstigatorState,
    at: datetime,
    status: str,
    error: str | None = None,
    run_keys: Sequence[str] = (),
) -> None:
    """A tick of a sensor or schedule as the daemon would have kept it."""
    instance.create_tick(
        TickData(
            state.instigator_origin_id,
            state.name,
            state.instigator_type,
            TickStatus(status),
            at.timestamp(),
            selector_id=state.selector_id,
            run_keys=list(run_keys),
            run_ids=["" for _ in run_keys],
            error=SerializableErrorInfo(f"RuntimeError: {error}\n", [], "RuntimeError") if error else None,
        )
    )

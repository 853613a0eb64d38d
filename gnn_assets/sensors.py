"""What happens between two Mondays, each in a sensor that is on by itself."""

import datetime as dt
from dataclasses import replace

import dagster as dg

from gnn_assets.alerts.post import look_and_post
from gnn_assets.arrivals import RunOfWeek, State, decide, last_day_has_events, read_marks
from gnn_assets.environment import Environment
from gnn_assets.partitions import as_of, newest_week
from gnn_assets.resources import PARTITION_TAG
from gnn_core.errors import WarehouseBusyError
from gnn_core.io.untracked import UntrackedRowsError

PATIENCE_S = 3.0
"""A sensor has a minute; a run may hold the embedded warehouse for longer. It is asked again at the next look."""


def new_data_sensor(job: dg.JobDefinition, where: Environment) -> dg.SensorDefinition:
    """Refreshes the newest week when its data are complete, and again when they change: once a state of the data."""
    every = where.settings().arrivals.look_every_minutes

    @dg.sensor(
        name="new_data_are_refreshed",
        job=job,
        minimum_interval_seconds=int(every * 60),
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Data of the newest week that have arrived and stand still are refreshed, once; late ones too.",
    )
    def new_data_are_refreshed(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        now = dt.datetime.now(dt.UTC)
        settings = where.settings()
        week = newest_week(settings.store, now)
        if week is None:
            return dg.SensorResult(skip_reason="No week has ended yet.")
        moment = dt.datetime.combine(as_of(week), dt.time(), tzinfo=dt.UTC)
        patient = replace(settings, warehouse=replace(settings.warehouse, busy_retry_s=PATIENCE_S))
        warehouse = where.warehouse(patient)
        try:
            marks = read_marks(warehouse, settings, moment)
            reaches_end = last_day_has_events(warehouse, settings, moment)
        except WarehouseBusyError:
            return dg.SensorResult(skip_reason="A run holds the warehouse; asked again at the next look.")
        except UntrackedRowsError as error:
            # A source that is a view is a choice, and no failure of each look: the schedule runs the week.
            return dg.SensorResult(skip_reason=f"The schedule alone starts the week. {error}")
        decision = decide(
            State.from_cursor(context.cursor),
            week,
            marks,
            reaches_end=reaches_end,
            runs=runs_of_week(context.instance, job.name, week),
            now=now,
            settle=dt.timedelta(minutes=settings.arrivals.settle_minutes),
        )
        cursor = decision.state.as_cursor()
        if decision.run_key is None:
            return dg.SensorResult(skip_reason=decision.words, cursor=cursor)
        request = dg.RunRequest(run_key=decision.run_key, partition_key=week, tags={"gnn/why": decision.words})
        return dg.SensorResult(run_requests=[request], cursor=cursor)

    return new_data_are_refreshed


def runs_of_week(instance: dg.DagsterInstance, job: str, week: str) -> list[RunOfWeek]:
    """Runs of a job for a week, whoever started them, oldest first."""
    records = instance.get_run_records(dg.RunsFilter(job_name=job, tags={PARTITION_TAG: week}), ascending=True)
    return [RunOfWeek(r.dagster_run.run_id, r.create_timestamp) for r in records]


def alert_sensor(where: Environment) -> dg.SensorDefinition:
    """Tells people of red checks and failed runs. It only reads what runs have left behind, so it cannot fail one."""

    @dg.sensor(
        name="alerts_are_sent",
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Red checks and failed runs are told by webhook and e-mail: once, repetitions counted, retried.",
    )
    def alerts_are_sent(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        assert context.repository_def is not None
        graph = context.repository_def.asset_graph
        return dg.SkipReason(str(look_and_post(where, context.instance, graph, dt.datetime.now(dt.UTC))))

    return alerts_are_sent

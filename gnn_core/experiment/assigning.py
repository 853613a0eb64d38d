"""Start an experiment: who is in the analysis, the plan, and the assignment table that never changes afterwards.

What belongs here: putting eligibility, history and plan together before the start. What does not: the hash
(assignment.py), power (power.py), cleaning (engagement.py).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from gnn_core.config import ExperimentSettings, Settings
from gnn_core.errors import ContractError
from gnn_core.experiment.assignment import ARMS, ASSIGNMENTS
from gnn_core.experiment.engagement import Window, count_outcomes
from gnn_core.experiment.power import Plan, plan_experiment
from gnn_core.io.warehouse import TableName, Warehouse

NO_LIST, NO_CONSENT = "no list of both policies", "no e-mail consent"


@dataclass(frozen=True)
class Base:
    """Control's own rate in the primary unit, before the start."""

    users: int
    clickers: int
    days: int

    @property
    def rate(self) -> float:
        """Distinct clickers per eligible user."""
        return self.clickers / self.users if self.users else 0.0


def reasons_against(
    user_ids: NDArray[np.object_], served: NDArray[np.bool_], consent_U: NDArray[np.bool_]
) -> NDArray[np.object_]:
    """(U,) why a user is left out of the analysis; None for those in it. All of it is known before the assignment."""
    why = np.full(len(user_ids), None, dtype=object)
    why[~consent_U] = NO_CONSENT
    why[~served] = NO_LIST
    return why


def base_rate(
    assigned: pd.DataFrame, sends: pd.DataFrame, engagements: pd.DataFrame, settings: ExperimentSettings
) -> Base:
    """Clickers among the users of the analysis in the days before the start, as many as the experiment is long.

    Raises:
        ContractError: no experiment is planned.
    """
    if settings.start is None:
        raise ContractError("experiment.start is null: no experiment is planned, so there is no base rate before it")
    start = pd.Timestamp(settings.start, tz="UTC")
    window = Window(start - pd.Timedelta(days=settings.days), start, start, start)
    past = count_outcomes(assigned, sends, engagements, None, window, settings, any_arm=True)
    return Base(len(past.users), int(past.users["clicked"].sum()), settings.days)


def plan_from_history(assigned: pd.DataFrame, base: Base, settings: ExperimentSettings) -> Plan:
    """The plan of these users at this base rate."""
    analysed = assigned[assigned["eligible"]]
    control, treatment = (int((analysed["arm"] == arm).sum()) for arm in ARMS)
    return plan_experiment(base.rate, base.days, control, treatment, settings)


def assignments_table(settings: Settings) -> TableName:
    """`serving.<assignments table>`."""
    return TableName(settings.warehouse.serving_dataset, settings.experiment.assignments_table)


@dataclass(frozen=True)
class Kept:
    """The recorded assignment of an experiment, and how the users of now differ from it."""

    rows: pd.DataFrame
    """As recorded: what the analysis reads."""
    added: bool
    """Whether it was recorded just now."""
    new: int = 0
    """Users of now that are in no arm: not in the analysis."""
    gone: int = 0
    """Assigned users that are no users any more; they stay in the analysis."""
    differ: int = 0
    """Users whose eligibility would be judged otherwise now; that of the assignment stays."""

    @property
    def sentence(self) -> str:
        """What became of the assignment, for a page and a log."""
        if self.added:
            return f"{len(self.rows):,} users are assigned."
        day = f"{self.rows['assigned_at'].iloc[0]:%Y-%m-%d}"
        if not (self.new or self.gone or self.differ):
            return f"Assigned already: the assignment of {day} stays."
        return (
            f"{self.new:,} users are new, {self.gone:,} are gone, and {self.differ:,} differ in eligibility since; "
            f"the assignment of {day} stays."
        )


def keep_assignments(warehouse: Warehouse, settings: Settings, rows: pa.Table) -> Kept:
    """Record an experiment's assignments, once: late data change who there is, and never who was assigned.

    Args:
        rows: of `assignment_rows`, as the users are now.
    Raises:
        ContractError: a recorded user's arm is another now, or the experiment was assigned for another start.
    """
    table = assignments_table(settings)
    known = read_assignments(warehouse, settings)
    now = rows.to_pandas()
    if known is not None and len(known):
        return _compared(known, now, settings)
    warehouse.ensure_dataset(table.dataset)
    new = not warehouse.exists(table)
    warehouse.load(table, rows.cast(ASSIGNMENTS), replace=new, layout=settings.layouts.assignments)
    return Kept(now, added=True)


def _compared(known: pd.DataFrame, now: pd.DataFrame, settings: Settings) -> Kept:
    """The recorded assignment against the users of now."""
    table, name = assignments_table(settings), settings.experiment.name
    recorded, asked = known["assigned_at"].min(), now["assigned_at"].min()
    if recorded != asked:
        raise ContractError(
            f"{table}: experiment {name} was assigned for {recorded:%Y-%m-%d} and cannot start again on "
            f"{asked:%Y-%m-%d}. Set experiment.start back, or plan a new experiment: new experiment.name and salt"
        )
    both = known.merge(now, on="user_id", suffixes=("", "_now"))
    moved = int((both["arm"] != both["arm_now"]).sum())
    if moved:
        raise ContractError(
            f"{table}: {moved:,} of {len(both):,} users of experiment {name} are in another arm than was recorded: "
            "experiment.salt, treatment_share, holdout_salt or holdout_share was changed since. Set it back; a new "
            "experiment takes a new experiment.name, salt and start"
        )
    differ = int((both["eligible"] != both["eligible_now"]).sum())
    return Kept(known, added=False, new=len(now) - len(both), gone=len(known) - len(both), differ=differ)


def read_assignments(warehouse: Warehouse, settings: Settings) -> pd.DataFrame | None:
    """Assignments of the configured experiment; None when there is no table yet."""
    table = assignments_table(settings)
    if not warehouse.exists(table):
        return None
    found = warehouse.query(
        "SELECT * FROM {t} WHERE experiment = @name ORDER BY user_id",
        tables={"t": table},
        parameters={"name": settings.experiment.name},
        label="assignments",
    )
    return found.to_pandas()

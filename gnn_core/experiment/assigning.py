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


def keep_assignments(warehouse: Warehouse, settings: Settings, rows: pa.Table) -> bool:
    """Add an experiment's assignments; False when the table holds these very ones already.

    Raises:
        ContractError: the table holds others under this name. An experiment is assigned once; a new one takes a new
            name and salt.
    """
    table = assignments_table(settings)
    name = settings.experiment.name
    known = read_assignments(warehouse, settings)
    if known is not None and len(known):
        columns = ["user_id", "arm", "eligible"]
        old, new = (f[columns].sort_values("user_id", ignore_index=True) for f in (known, rows.to_pandas()))
        if old.equals(new):
            return False
        raise ContractError(
            f"{table}: experiment {name} was assigned already, to {len(old):,} users, and differs from the "
            f"{len(new):,} of now. An assignment never changes: give experiment.name and experiment.salt new values"
        )
    warehouse.ensure_dataset(table.dataset)
    new = not warehouse.exists(table)
    warehouse.load(table, rows.cast(ASSIGNMENTS), replace=new, layout=settings.layouts.assignments)
    return True


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

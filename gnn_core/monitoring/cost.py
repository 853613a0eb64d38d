"""What a month costs, against what it may cost.

What belongs here: prices × quantities, sums by month and asset, and what a total means. What does not: measuring bytes
or seconds (io, assets).
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from gnn_core.config import CostSettings, Settings
from gnn_core.contracts import TIMESTAMP
from gnn_core.errors import DataError
from gnn_core.io.warehouse import TableName, Warehouse

QUERY, CPU, GPU, STORAGE = "query", "cpu", "gpu", "storage"
UNITS = {QUERY: "bytes billed", CPU: "seconds", GPU: "seconds", STORAGE: "byte-days"}
UNKNOWN_BILLING = "Bytes billed could not be read, so that queries are missing from the sum"
OK, WARN, STOP = "within budget", "over budget", "no further training"
_TIB, _GIB = 2.0**40, 2.0**30
_DAYS_PER_MONTH = 30.0

_S = pa.string()
LEDGER = pa.schema(
    [
        pa.field("at", TIMESTAMP, nullable=False),
        pa.field("asset", _S, nullable=False),
        pa.field("kind", _S, nullable=False),
        pa.field("quantity", pa.float64(), nullable=False),
        pa.field("usd", pa.float64(), nullable=False),
        pa.field("run_id", _S, nullable=False),
    ]
)


@dataclass(frozen=True)
class Charge:
    """One row of the cost ledger. `quantity` is in the unit of its kind (UNITS)."""

    at: dt.datetime
    asset: str
    kind: str
    quantity: float
    usd: float
    run_id: str


@dataclass(frozen=True)
class MonthCost:
    """One month's spend and what it means."""

    month: str
    """YYYY-MM."""
    usd: float
    budget_usd: float
    state: str
    """`within budget`, `over budget` (from 1 ×), or `no further training` (from the stop factor)."""
    by_asset: dict[str, float]
    by_kind: dict[str, float]
    sentence: str

    @property
    def may_train(self) -> bool:
        """Whether another training may start by itself."""
        return self.state != STOP

    def as_json(self) -> dict[str, Any]:
        """Plain values by name."""
        return dataclasses.asdict(self)


def charge(kind: str, quantity: float, *, asset: str, at: dt.datetime, run_id: str, settings: CostSettings) -> Charge:
    """Price a quantity.

    Raises:
        DataError: the kind has no price, the quantity is negative or not finite, or `at` has no time zone.
    """
    if kind not in UNITS:
        raise DataError(f"cost: {kind!r} has no price; there are {', '.join(UNITS)}")
    if not 0 <= quantity < float("inf"):
        raise DataError(f"cost: {asset}: {quantity} {UNITS[kind]} is no quantity")
    if at.tzinfo is None:
        raise DataError(f"cost: {asset}: {at} has no time zone")
    price = {
        QUERY: settings.usd_per_tib_billed / _TIB,
        CPU: settings.usd_per_cpu_hour / 3600,
        GPU: settings.usd_per_gpu_hour / 3600,
        STORAGE: settings.usd_per_gib_month_stored / _GIB / _DAYS_PER_MONTH,
    }[kind]
    return Charge(at, asset, kind, float(quantity), float(quantity) * price, run_id)


def month_cost(charges: Iterable[Charge], month: str, settings: CostSettings, *, decided: bool = False) -> MonthCost:
    """Sum a month (YYYY-MM, UTC).

    Args:
        decided: somebody has decided to go on training this month although the stop factor is reached.
    """
    mine = [c for c in charges if f"{c.at.astimezone(dt.UTC):%Y-%m}" == month]
    total, budget = sum(c.usd for c in mine), settings.monthly_budget_usd
    stop = budget * settings.stop_factor
    figures = f"{total:,.2f} USD of {budget:,.0f} USD in {month}"
    if total >= stop and not decided:
        state = STOP
        sentence = (
            f"{figures}, {settings.stop_factor:g} times the budget: no further training until someone decides (a "
            "smaller graph, CPU only, or going on). The last table stays served."
        )
    elif total >= budget:
        state, sentence = WARN, f"{figures}: over budget."
        if total >= stop:
            sentence += " Somebody decided to go on."
    else:
        state, sentence = OK, f"{figures}."
    return MonthCost(month, total, budget, state, _sums(mine, "asset"), _sums(mine, "kind"), sentence)


def step_charges(
    seconds: Mapping[str, float], on_gpu: Collection[str], *, at: dt.datetime, run_id: str, settings: CostSettings
) -> list[Charge]:
    """Seconds of steps at the price of the machine that was used.

    Args:
        on_gpu: steps that ran on a GPU; that one was asked for, or was there, does not count.
    """
    return [
        charge(GPU if step in on_gpu else CPU, spent, asset=step, at=at, run_id=run_id, settings=settings)
        for step, spent in seconds.items()
    ]


def storage_charges(
    stored: Mapping[str, int], before: Sequence[Charge], *, at: dt.datetime, run_id: str, settings: CostSettings
) -> list[Charge]:
    """What is stored, for the time since storage was last charged, but no longer than a month.

    The first reading charges nothing: since when the bytes lay there is not known. It is a row nevertheless, from
    which the next one counts.

    Args:
        stored: bytes by asset or table.
        before: the ledger so far.
    """
    last = max((c.at for c in before if c.kind == STORAGE and c.at <= at), default=at)
    days = min((at - last) / dt.timedelta(days=1), _DAYS_PER_MONTH)
    return [
        charge(STORAGE, size * days, asset=name, at=at, run_id=run_id, settings=settings)
        for name, size in sorted(stored.items())
    ]


def months(charges: Iterable[Charge]) -> dict[str, float]:
    """USD by month (YYYY-MM, UTC), oldest first."""
    found: dict[str, float] = {}
    for item in charges:
        name = f"{item.at.astimezone(dt.UTC):%Y-%m}"
        found[name] = found.get(name, 0.0) + item.usd
    return dict(sorted(found.items()))


def cost_table(settings: Settings) -> TableName:
    """`serving.<ledger>`."""
    return TableName(settings.warehouse.serving_dataset, settings.cost.ledger)


def read_charges(warehouse: Warehouse, settings: Settings) -> list[Charge]:
    """All charges, oldest first; empty when there is no ledger yet."""
    table = cost_table(settings)
    if not warehouse.exists(table):
        return []
    rows = warehouse.read(table, columns=LEDGER.names).to_pylist()
    return sorted((Charge(**row) for row in rows), key=lambda c: (c.at, c.asset, c.kind))


def append_charges(warehouse: Warehouse, settings: Settings, charges: Sequence[Charge]) -> int:
    """Add charges whose (run, asset, kind) the ledger does not have yet; how many were new.

    A step that is repeated under the same run id is charged once.
    """
    known = {(c.run_id, c.asset, c.kind) for c in read_charges(warehouse, settings)}
    new = [c for c in charges if (c.run_id, c.asset, c.kind) not in known]
    if new:
        table = cost_table(settings)
        warehouse.ensure_dataset(table.dataset)
        rows = pa.Table.from_pylist([dataclasses.asdict(c) for c in new], schema=LEDGER)
        new_table = not warehouse.exists(table)
        warehouse.load(table, rows, replace=new_table, layout=settings.layouts.cost_ledger)
    return len(new)


def _sums(charges: Sequence[Charge], by: str) -> dict[str, float]:
    found: dict[str, float] = {}
    for item in charges:
        name = getattr(item, by)
        found[name] = found.get(name, 0.0) + item.usd
    return dict(sorted(found.items(), key=lambda pair: -pair[1]))

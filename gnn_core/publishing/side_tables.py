"""Tables beside the recommendations that other teams read: staged, asked in the warehouse, moved whole or not at all.

What belongs here: the order of steps. What does not: the questions (sql/discovery), the recommendations (publisher.py),
which have versions, a ledger and a rollback: a side table is made again from its week's artifacts instead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from gnn_core.config import Settings
from gnn_core.errors import PublishRefused
from gnn_core.io.sql import load_sql
from gnn_core.io.warehouse import TableName, Warehouse
from gnn_core.publishing.audit import placeholders

_EXAMPLES = 3


@dataclass(frozen=True)
class SideRule:
    """A sentence that is true when sql/discovery/<name>.sql selects no row; its columns are `item` and `found`."""

    name: str
    sentence: str


@dataclass(frozen=True)
class SideVerdict:
    """Whether a rule holds of a table, with examples of what breaks it."""

    rule: SideRule
    n_bad: int
    examples: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """No row breaks the rule."""
        return self.n_bad == 0


def ask(
    warehouse: Warehouse, table: TableName, rules: Sequence[SideRule], week: Mapping[str, TableName]
) -> list[SideVerdict]:
    """Every rule of a table where it lies. `week` names the contract tables that rules may ask for."""
    verdicts = []
    for rule in rules:
        sql = load_sql(f"discovery/{rule.name}")
        names = {"staging": table, **week}
        rows = warehouse.query(
            sql, tables={name: names[name] for name in placeholders(sql)}, label=f"audit {rule.name}"
        ).to_pylist()
        examples = tuple(sorted(f"{r['item']}: {r['found']}" for r in rows)[:_EXAMPLES])
        verdicts.append(SideVerdict(rule, len(rows), examples))
    return verdicts


def publish_side_table(
    warehouse: Warehouse,
    name: str,
    rows: pa.Table,
    rules: Sequence[SideRule],
    week: Mapping[str, TableName],
    settings: Settings,
) -> TableName:
    """Write `rows` to the work dataset, ask every rule there, and move the table to `serving.<name>` in one step.

    Raises:
        PublishRefused: there is no row, or a rule does not hold; the serving table has not moved.
    """
    staging = TableName(settings.warehouse.work_dataset, f"{name}__staging")
    target = TableName(settings.warehouse.serving_dataset, name)
    if not rows.num_rows:
        raise PublishRefused(f"{target} is not replaced: the new table has no row")
    for dataset in (staging.dataset, target.dataset):
        warehouse.ensure_dataset(dataset)
    warehouse.load(staging, rows)
    broken = [v for v in ask(warehouse, staging, rules, week) if not v.passed]
    if broken:
        lines = "\n  ".join(
            f"{v.rule.name}: it does not hold that: {v.rule.sentence} {v.n_bad:,} bad, such as {list(v.examples)}"
            for v in broken
        )
        raise PublishRefused(f"{target} is not replaced, {len(broken)} rule(s) fail:\n  {lines}")
    warehouse.move(staging, target)
    warehouse.drop(staging)
    return target

"""Does a staged table keep every blocking rule? Asked of the warehouse, not of memory.

What belongs here: running the rules on a table read where it lies, and the rules that judge it as a whole.
What does not: the questions themselves (rules.py, sql/audit/), or what follows from a verdict (publisher.py).

A query that cannot run raises WarehouseError: it is neither a pass nor a verdict.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

import pyarrow as pa

from gnn_core.config import Settings
from gnn_core.experiment.assignment import sql_parameters
from gnn_core.experiment.rollout_ledger import read_moves
from gnn_core.experiment.serving_arms import governs
from gnn_core.io.sql import load_sql
from gnn_core.io.warehouse import TableName, Warehouse
from gnn_core.publishing.rules import ROW_RULES, RowRule
from gnn_core.publishing.schema import DECLARED_TYPES
from gnn_core.scoring.eligibility import eligible_products
from gnn_core.stores.week import WeekTables

WHOLE_RULES = ("declared_schema", "not_empty", "single_run", "min_users", "coverage", "row_change", "product_share")
RULE_NAMES = ("declared_schema", "not_empty", "single_run", *(r.name for r in ROW_RULES), *WHOLE_RULES[3:])
"""Every blocking rule, in the order of the verdicts."""
MAX_EXAMPLES = 3
_WEEK_TABLES = ("users", "vehicles", "products", "ownership", "fitment", "events")
_FIRST_OFFENDERS = """
SELECT user_id, product_id, found, COUNT(*) OVER () AS n_bad
FROM (
{rule}
) AS offenders
ORDER BY user_id, product_id, found
LIMIT {limit}
"""


@dataclass(frozen=True)
class Verdict:
    """Whether one rule holds, with what an alert needs to say and nothing that names a person."""

    rule: str
    passed: bool
    sentence: str
    """True when the rule holds; for rules on the whole table, with the numbers found."""
    n_bad: int
    """Rows, users or groups that break the rule, as its SQL file counts them."""
    examples: tuple[Mapping[str, str], ...]
    """Up to MAX_EXAMPLES offenders: hashed user, plain product, what was found."""
    observed: float
    threshold: float
    judged: bool = True
    """False when another failure made this rule impossible to ask; `passed` is False then."""

    def as_metadata(self) -> dict[str, object]:
        """Plain values, for check metadata and alerts."""
        return {
            "rule": self.rule,
            "passed": self.passed,
            "sentence": self.sentence,
            "n_bad": self.n_bad,
            "examples": [dict(example) for example in self.examples],
            "observed": self.observed,
            "threshold": self.threshold,
        }


@dataclass(frozen=True)
class Totals:
    """Size and origin of a recommendations table."""

    rows: int
    users: int
    runs: int
    first_run: str | None
    """The run id, when there is one only."""


def rule_sentences(settings: Settings) -> dict[str, str]:
    """Rule → what is true when it holds, before anything was counted; in the order of RULE_NAMES."""
    publish = settings.publish
    said = {
        "declared_schema": "Columns are named, ordered and typed as declared.",
        "not_empty": "There are rows.",
        "single_run": "All rows come from one run.",
        **{rule.name: rule.says(settings) for rule in ROW_RULES},
        "min_users": f"At least {publish.min_users:,} users get recommendations.",
        "coverage": f"At least {publish.min_coverage:.1%} of the eligible users get recommendations.",
        "row_change": f"The row count changes by at most {publish.max_row_change:.1%} since the last publish.",
        "product_share": f"No product stands in more than {publish.max_product_share:.1%} of the lists of a policy, or "
        "in more than go to owners of one vehicle.",
    }
    return {name: said[name] for name in RULE_NAMES}


def hashed_user(user_id: str) -> str:
    """What stands for a user in verdicts, logs and alerts: the first 12 hex digits of the id's SHA-256."""
    return hashlib.sha256(user_id.encode()).hexdigest()[:12]


def totals(warehouse: Warehouse, table: TableName) -> Totals:
    """Count rows, users and runs of a recommendations table."""
    sql = load_sql("audit/totals")
    row = warehouse.query(sql, tables={"staging": table}, label="audit totals").to_pylist()[0]
    return Totals(row["n_rows"], row["n_users"], row["n_runs"], row["first_run"])


def audit(
    warehouse: Warehouse, staging: TableName, week: WeekTables, settings: Settings, live: TableName | None
) -> list[Verdict]:
    """Judge every rule of RULE_NAMES, in that order, on the staging table against the week's contract tables.

    `live` is the table of the last good publish, against which the row count is compared; None or a table that does not
    exist means that there was none. When columns are not as declared, every other rule is failed as not judged.

    Raises:
        TableNotFoundError: the staging table or a table of the week does not exist.
        WarehouseError: a rule's query cannot run.
    """
    schema = declared_schema(warehouse, staging)
    if not schema.passed:
        return [schema, *(_not_judged(rule) for rule in RULE_NAMES[1:])]
    found = totals(warehouse, staging)
    previous = totals(warehouse, live) if live is not None and warehouse.exists(live) else None
    if governs(read_moves(warehouse, settings), settings.experiment, week.as_of):
        # A rollout ends the experiment before it: nobody is in an arm any more (decision 0011).
        settings = replace(settings, experiment=replace(settings.experiment, start=None))
    with rule_tables(warehouse, staging, week, settings) as tables:
        rows = [judge(warehouse, rule, tables, settings, week.moment) for rule in ROW_RULES]
        covered = coverage(warehouse, tables, settings)
        shared = product_share(warehouse, staging, settings)
    whole = [min_users(found, settings), covered, row_change(found, previous, settings), shared]
    return [schema, not_empty(found), single_run(found), *rows, *whole]


def audit_structure(warehouse: Warehouse, table: TableName, settings: Settings, moment: dt.datetime) -> list[Verdict]:
    """The rules that a list must keep in any week, for a rollback: they need no table but the list itself."""
    schema = declared_schema(warehouse, table)
    if not schema.passed:
        return [schema]
    found = totals(warehouse, table)
    structural = [rule for rule in ROW_RULES if rule.structural]
    rows = [judge(warehouse, rule, {"staging": table}, settings, moment) for rule in structural]
    return [schema, not_empty(found), single_run(found), *rows, product_share(warehouse, table, settings)]


def judge(
    warehouse: Warehouse, rule: RowRule, tables: Mapping[str, TableName], settings: Settings, until: dt.datetime
) -> Verdict:
    """Ask one row rule of the warehouse. `tables` by placeholder; `until` is the as-of moment."""
    asked = load_sql(f"audit/{rule.name}")
    offenders = warehouse.query(
        _FIRST_OFFENDERS.replace("{limit}", str(MAX_EXAMPLES)).replace("{rule}", asked),
        parameters=dict(rule.parameters(settings, until)),
        tables={name: tables[name] for name in placeholders(asked)},
        label=f"audit {rule.name}",
    ).to_pylist()
    n_bad = offenders[0]["n_bad"] if offenders else 0
    return Verdict(
        rule=rule.name,
        passed=n_bad == 0,
        sentence=rule.says(settings),
        n_bad=n_bad,
        examples=tuple(_example(offender) for offender in offenders),
        observed=float(n_bad),
        threshold=0.0,
    )


def placeholders(sql: str) -> list[str]:
    """Names of the tables that a SQL text asks for."""
    return sorted(set(re.findall(r"\{([a-z_]+)\}", sql)))


def declared_schema(warehouse: Warehouse, table: TableName) -> Verdict:
    """Columns are named, ordered and typed as declared."""
    got = warehouse.columns(table)
    wrong = [n for n in {**DECLARED_TYPES, **got} if got.get(n) != DECLARED_TYPES.get(n)]
    if not wrong and list(got) != list(DECLARED_TYPES):
        wrong = [n for n, declared in zip(got, DECLARED_TYPES, strict=True) if n != declared]
    examples = tuple({"column": n, "found": f"{got.get(n)}, declared {DECLARED_TYPES.get(n)}"} for n in wrong)
    sentence = "Columns are named, ordered and typed as declared."
    return Verdict("declared_schema", not wrong, sentence, len(wrong), examples[:MAX_EXAMPLES], float(len(wrong)), 0.0)


def not_empty(found: Totals) -> Verdict:
    """There is at least one row."""
    bad = int(found.rows == 0)
    return Verdict("not_empty", not bad, f"There are rows ({found.rows:,}).", bad, (), float(found.rows), 1.0)


def single_run(found: Totals) -> Verdict:
    """All rows come from one run."""
    passed = found.runs == 1
    return Verdict(
        "single_run",
        passed,
        f"All rows come from one run ({found.runs} found).",
        max(found.runs - 1, int(not passed)),
        (),
        float(found.runs),
        1.0,
    )


def min_users(found: Totals, settings: Settings) -> Verdict:
    """The user count reaches its floor."""
    floor = settings.publish.min_users
    short = max(floor - found.users, 0)
    sentence = f"At least {floor:,} users get recommendations ({found.users:,} do)."
    return Verdict("min_users", short == 0, sentence, short, (), float(found.users), float(floor))


def coverage(warehouse: Warehouse, tables: Mapping[str, TableName], settings: Settings) -> Verdict:
    """Enough of the users who could be served are. Who could: owners of a vehicle with enough eligible products."""
    row = warehouse.query(
        load_sql("audit/coverage"),
        parameters={
            "min_products": settings.eligibility.min_products_per_vehicle,
            "consent_required": settings.eligibility.require_email_consent,
        },
        tables={name: tables[name] for name in ("staging", "users", "ownership", "fitment", "eligible")},
        label="audit coverage",
    ).to_pylist()[0]
    base, covered = row["n_base"], row["n_covered"]
    share = covered / base if base else 0.0
    floor = settings.publish.min_coverage
    sentence = f"At least {floor:.1%} of the {base:,} eligible users get recommendations ({covered:,} do, {share:.2%})."
    return Verdict("coverage", base > 0 and share >= floor, sentence, base - covered, (), share, floor)


def row_change(found: Totals, previous: Totals | None, settings: Settings) -> Verdict:
    """The row count stays near that of the last good publish."""
    allowed = settings.publish.max_row_change
    if previous is None or previous.rows == 0:
        sentence = "There is no previous publish to compare the row count with."
        return Verdict("row_change", True, sentence, 0, (), 0.0, allowed)
    change = found.rows / previous.rows - 1
    sentence = (
        f"The row count changes by at most {allowed:.1%} (from {previous.rows:,} to {found.rows:,}, {change:+.1%})."
    )
    bad = abs(found.rows - previous.rows)
    passed = abs(change) <= allowed
    return Verdict("row_change", passed, sentence, 0 if passed else bad, (), change, allowed)


def product_share(warehouse: Warehouse, table: TableName, settings: Settings) -> Verdict:
    """No product stands in nearly all lists of a policy: a model that failed may rank one product first for everyone.

    By policy, since a rollout's first stage is a tenth of the lists. Owners of one vehicle may well be shown the same,
    so that what the commonest vehicle's owners are of a policy's users is allowed too.
    """
    publish = settings.publish
    found = warehouse.query(
        load_sql("audit/product_share"),
        parameters={"least": publish.product_share_users},
        tables={"staging": table},
        label="audit product_share",
    ).to_pylist()
    limit = publish.max_product_share
    if not found:
        sentence = f"No policy has the {publish.product_share_users:,} lists from which on a product's share is judged."
        return Verdict("product_share", True, sentence, 0, (), 0.0, limit)
    share = {row["source"]: row["n_lists"] / row["n_users"] for row in found}
    allowed = {row["source"]: max(limit, row["n_alike"] / row["n_users"]) for row in found}
    worst = max(found, key=lambda row: share[row["source"]] - allowed[row["source"]])
    source = worst["source"]
    sentence = (
        f"No product stands in more than {limit:.1%} of the lists of a policy, or in more than go to owners of one "
        f"vehicle ({worst['product_id']} in {share[source]:.1%} of {worst['n_users']:,} lists of {source}, the "
        f"commonest vehicle in {worst['n_alike'] / worst['n_users']:.1%})."
    )
    passed = share[source] <= allowed[source]
    over = [row for row in found if share[row["source"]] > allowed[row["source"]]]
    examples = tuple(
        {"product_id": str(row["product_id"]), "found": f"in {row['n_lists']:,} of {row['n_users']:,} lists"}
        for row in over
    )
    n_bad = sum(row["n_lists"] for row in over)
    return Verdict("product_share", passed, sentence, n_bad, examples[:MAX_EXAMPLES], share[source], allowed[source])


@contextmanager
def rule_tables(
    warehouse: Warehouse, staging: TableName, week: WeekTables, settings: Settings
) -> Iterator[dict[str, TableName]]:
    """Tables by placeholder, for `judge` and `coverage`. Eligibility is judged by the one Python rule on the week's
    products, arms are drawn by the one SQL file that draws them; each is a table for the time of one audit, so that no
    second copy of the rule can drift."""
    tables = {name: week.table(name) for name in _WEEK_TABLES}
    products = warehouse.read(tables["products"]).to_pandas()
    judged = eligible_products(products, settings.eligibility)
    rows = pa.table(
        {
            "product_id": pa.array(products["product_id"], pa.string()),
            "eligible": pa.array(judged["eligible"], pa.bool_()),
            "reason": pa.array(judged["reason"], pa.string()),
        }
    )
    eligible = TableName(settings.warehouse.work_dataset, f"audit_eligible__{staging.table}"[:128])
    assigned = TableName(settings.warehouse.work_dataset, f"audit_assigned__{staging.table}"[:128])
    try:
        warehouse.load(eligible, rows)
        warehouse.create_table_as(
            assigned,
            load_sql("experiment/assignment"),
            parameters=sql_parameters(settings.experiment),
            tables={"users": tables["users"]},
            label="audit assigned",
        )
        yield {**tables, "staging": staging, "eligible": eligible, "assigned": assigned}
    finally:
        warehouse.drop(eligible)
        warehouse.drop(assigned)


def _not_judged(rule: str) -> Verdict:
    return Verdict(rule, False, "Not judged: the columns are not as declared.", 0, (), 0.0, 0.0, judged=False)


def _example(offender: Mapping[str, object]) -> dict[str, str]:
    user, product = offender["user_id"], offender["product_id"]
    example = {"user": "null" if user is None else hashed_user(str(user))}
    if product is not None:
        example["product_id"] = str(product)
    return example | {"found": str(offender["found"])}

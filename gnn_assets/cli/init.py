"""`gnn init`: datasets and tables that outlive a week, laid out by the configuration; first the plan, then `--yes`."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from gnn_assets.environment import Environment
from gnn_assets.partitions import WEEK
from gnn_core.config import Settings
from gnn_core.errors import DataError
from gnn_core.io.warehouse import Warehouse
from gnn_core.program.estimates import estimate_week
from gnn_core.program.tables import CREATE, DIFFERS, make_missing, plan
from gnn_core.stores.week import WeekTables

COLOURS = {CREATE: "cyan", DIFFERS: "red"}
REMEDY = (
    "`gnn init` changes no table that is there. Either set the configuration to what is there, or move the rows: copy "
    "the table aside (CREATE TABLE old COPY it), drop it, `gnn init --yes`, and INSERT the rows back."
)


def initialise(yes: bool, console: Console) -> int:
    """Show the plan; with `yes`, make what is missing. 1 when a table differs from what is wanted, and then nothing is
    made: half of a new layout beside half of an old one helps nobody."""
    where = Environment.from_variables()
    settings = where.settings()
    # As whoever runs it: making datasets is an administrator's right, and none of the three identities has it.
    warehouse = where.warehouse(settings, None)
    lines = plan(warehouse, settings)
    table = Table(title=f"Tables on {warehouse.engine}", title_justify="left", pad_edge=False)
    for head in ("table", "state", "what"):
        table.add_column(head, overflow="fold")
    for line in lines:
        table.add_row(line.name, f"[{COLOURS.get(line.state, 'default')}]{line.state}[/]", line.seen)
    console.print(table)
    if warehouse.engine != "bigquery":
        console.print(f"{warehouse.engine} has neither partitions nor clusters: there is nothing to lay out.")
    different = [line for line in lines if line.state == DIFFERS]
    for line in different:
        console.print(f"{line.name}: {line.seen}", soft_wrap=True, highlight=False, markup=False)
    if different:
        console.print(f"[red]Nothing was made.[/] {REMEDY}", highlight=False)
        return 1
    missing = [line for line in lines if line.state == CREATE]
    if not missing:
        console.print("Everything is there; nothing to do.")
    elif yes:
        make_missing(warehouse, settings)
        console.print(f"Made {len(missing)}. Running this again changes nothing.")
    else:
        console.print(f"{len(missing)} to make; nothing was changed. `gnn init --yes` makes them.")
    show_estimates(warehouse, settings, console)
    return 0


def show_estimates(warehouse: Warehouse, settings: Settings, console: Console) -> None:
    """What a weekly run's queries would bill, as far as a dry run can say it now."""
    if warehouse.engine != "bigquery":
        console.print(f"{warehouse.engine} bills nothing for queries.")
        return
    from gnn_assets.cli.weekly import newest_complete_week

    try:
        week = WeekTables(newest_complete_week(warehouse, settings) + WEEK, settings.warehouse.work_dataset)
    except DataError as error:
        console.print(f"No dry run of the week's queries yet: {error}", highlight=False)
        return
    found = estimate_week(warehouse, settings, week)
    table = Table(title=f"Dry run of the week as of {week.as_of}", title_justify="left", pad_edge=False)
    table.add_column("statement")
    table.add_column("GB read", justify="right")
    asked = [e for e in found if e.bytes_read is not None]
    for e in asked:
        table.add_row(e.statement, f"{(e.bytes_read or 0) / 1e9:.3f}")
    console.print(table)
    total = sum(e.bytes_read or 0 for e in asked)
    usd = total / 2**40 * settings.cost.usd_per_tib_billed
    console.print(
        f"{total / 1e9:.3f} GB, {usd:.2f} USD at {settings.cost.usd_per_tib_billed} USD a TiB, for {len(asked)} of "
        f"{len(found)} statements; the other {len(found) - len(asked)} read what the run itself makes. Each is capped "
        f"at {settings.warehouse.maximum_bytes_billed / 1e9:.0f} GB (warehouse.maximum_bytes_billed).",
        highlight=False,
    )

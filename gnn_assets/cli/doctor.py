"""`gnn doctor`: what is missing, and what to do about it. Each finding is a line; any problem makes the exit code 1."""

from __future__ import annotations

import importlib.metadata
import shutil
import sys
import uuid
from collections.abc import Callable, Iterator

import pyarrow as pa
from rich.console import Console

from gnn_assets.cli import doctor_cloud
from gnn_assets.cli.finding import Finding
from gnn_assets.environment import Environment
from gnn_core.config import Settings
from gnn_core.contracts import SNAPSHOT_TABLES
from gnn_core.errors import GnnCoreError
from gnn_core.io.warehouse import TableName

NEEDED = ("dagster", "dagster-gcp", "dagster-k8s", "torch", "torch-geometric", "pandas", "pyarrow", "duckdb", "sqlglot")


def examine(console: Console, *, definitions_only: bool = False) -> int:
    """Print every finding, then what a week's queries would bill; 1 when any finding is bad."""
    findings = list(_definitions() if definitions_only else _all())
    for f in findings:
        console.print(
            f"[{'green' if f.good else 'red'}]{'ok ' if f.good else 'BAD'}[/] {f.what}: {f.seen}", highlight=False
        )
        if not f.good:
            console.print(f"      → {f.remedy}", markup=False, highlight=False)
    if not definitions_only:
        _bill(console)
    bad = sum(not f.good for f in findings)
    console.print(f"{len(findings) - bad} of {len(findings)} in order" + (f", {bad} to repair" if bad else ""))
    return int(bad > 0)


def _all() -> Iterator[Finding]:
    yield _python()
    yield from _packages()
    try:
        where = Environment.from_variables()
        settings = where.settings()
    except GnnCoreError as error:
        yield Finding(
            "configuration", False, str(error), "correct the key it names in configs/ or in the store profile"
        )
        return
    yield Finding("configuration", True, f"{where.name}, {where.config_dir}")
    yield _state_dir(where)
    yield _compute(settings)
    if settings.warehouse.engine == "bigquery":
        yield from doctor_cloud.findings(where, settings)
        yield from _definitions()
        return
    yield _try("warehouse", lambda: _warehouse(where, settings), "check warehouse.* in the config and who may read it")
    yield _try(
        "source tables",
        lambda: _sources(where, settings),
        "run `gnn simulate small` or `gnn load NAME`, or name them in sources.*",
    )
    yield _try("artifact store", lambda: _artifacts(where, settings), "check artifacts.root and who may write there")
    yield from _definitions()


def _python() -> Finding:
    good = (3, 11) <= sys.version_info[:2] < (3, 13)
    return Finding("Python", good, sys.version.split()[0], "use Python 3.11 or 3.12")


def _packages() -> Iterator[Finding]:
    for name in NEEDED:
        try:
            yield Finding(name, True, importlib.metadata.version(name))
        except importlib.metadata.PackageNotFoundError:
            yield Finding(name, False, "not installed", "run `make setup`")


def _state_dir(where: Environment) -> Finding:
    try:
        where.state_dir.mkdir(parents=True, exist_ok=True)
        probe = where.state_dir / f".probe-{uuid.uuid4().hex}"
        probe.write_text("x")
        probe.unlink()
    except OSError as error:
        return Finding(
            "state directory", False, f"{where.state_dir}: {error}", "name a writable folder in GNN_STATE_DIR"
        )
    free = shutil.disk_usage(where.state_dir).free / 1e9
    return Finding("state directory", free > 5, f"{where.state_dir}, {free:.0f} GB free", "a full-size week needs 5 GB")


def _compute(settings: Settings) -> Finding:
    import torch

    cuda = torch.cuda.is_available()
    seen = torch.cuda.get_device_name(0) if cuda else f"CPU, {torch.get_num_threads()} threads"
    good = cuda or settings.training.device != "cuda"
    return Finding("training device", good, seen, "training.device is cuda, but there is none: set auto or cpu")


def _warehouse(where: Environment, settings: Settings) -> str:
    warehouse = where.warehouse(settings)
    for dataset in (settings.warehouse.work_dataset, settings.warehouse.serving_dataset):
        warehouse.ensure_dataset(dataset)
    probe = TableName(settings.warehouse.work_dataset, f"doctor_{uuid.uuid4().hex[:12]}")
    warehouse.load(probe, pa.table({"x": [1]}))
    rows = warehouse.row_count(probe)
    warehouse.drop(probe)
    if rows != 1:
        raise GnnCoreError(f"wrote one row to {probe}, read back {rows}")
    return f"{warehouse.engine}: write, read and drop work"


def _sources(where: Environment, settings: Settings) -> str:
    warehouse, names = where.warehouse(settings), settings.sources
    raw = ("user_attributes", "events", "orders", "fitment", "catalogue", "sends", "engagements")
    wanted = [getattr(names, n) for n in raw] if settings.store.tables == "raw" else list(SNAPSHOT_TABLES)
    missing = [t for t in wanted if not warehouse.exists(TableName(settings.warehouse.source_dataset, t))]
    if missing:
        raise GnnCoreError(f"{settings.warehouse.source_dataset} lacks {', '.join(missing)}")
    return f"{len(wanted)} tables in {settings.warehouse.source_dataset}"


def _artifacts(where: Environment, settings: Settings) -> str:
    store = where.artifacts(settings)
    store.write("doctor", "probe", {"x.json": b"1"})
    store.read("doctor", "probe").bytes("x.json")
    return f"{store.root}: write and read work"


def _definitions() -> Iterator[Finding]:
    def load() -> str:
        from gnn_assets.definitions import build_defs

        definitions = build_defs(Environment.from_variables())
        assets = definitions.resolve_all_asset_specs()
        definitions.resolve_job_def("weekly")
        return f"{len(assets)} assets"

    yield _try("Dagster definitions", load, "the message names the asset or check at fault")


def _try(what: str, examine_it: Callable[[], str], remedy: str) -> Finding:
    try:
        return Finding(what, True, examine_it())
    except Exception as error:  # a doctor reports whatever it meets, and goes on to the next organ
        return Finding(what, False, f"{type(error).__name__}: {error}", remedy)


def _bill(console: Console) -> None:
    """The dry run, where there is anything to bill; what stands in its way is among the findings already."""
    from gnn_assets.cli.init import show_estimates

    try:
        where = Environment.from_variables()
        settings = where.settings()
        if settings.warehouse.engine == "bigquery":
            show_estimates(where.warehouse(settings), settings, console)
    except GnnCoreError as error:
        console.print(f"No dry run of the week's queries: {error}", highlight=False, markup=False)

"""What `gnn doctor` examines where rows are in BigQuery: placeholders, rights of each role, tables, bucket, secrets.

What belongs here: one finding a thing, with the command that repairs it. What does not: granting anything. Rights are
examined by doing: a probe table is written, copied and dropped, since only BigQuery knows what a policy amounts to.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator

import pyarrow as pa

from gnn_assets.cli.finding import Finding
from gnn_assets.environment import Environment
from gnn_core.config import Settings
from gnn_core.config.data import ROLES
from gnn_core.contracts import SNAPSHOT_TABLES
from gnn_core.errors import ContractError, GnnCoreError, WarehouseError
from gnn_core.io.untracked import UntrackedRowsError
from gnn_core.io.warehouse import TableName, Warehouse
from gnn_core.program.tables import CREATE, DIFFERS, plan
from gnn_core.stores.staging import require_sources

_PERMISSION = re.compile(r"\b(bigquery|storage|iam)\.[a-zA-Z]+\.[a-zA-Z]+\b")
_PLACEHOLDER = re.compile(r"\byour-[a-z]+")
ROLE_OF = {
    "bigquery.jobs.create": "roles/bigquery.jobUser on the project",
    "bigquery.readsessions.create": "roles/bigquery.readSessionUser on the project",
    "bigquery.datasets.get": "roles/bigquery.dataViewer on the dataset",
    "bigquery.tables.get": "roles/bigquery.dataViewer on the dataset",
    "bigquery.tables.getData": "roles/bigquery.dataViewer on the dataset",
    "bigquery.tables.list": "roles/bigquery.dataViewer on the dataset",
    "bigquery.tables.create": "roles/bigquery.dataEditor on the dataset",
    "bigquery.tables.update": "roles/bigquery.dataEditor on the dataset",
    "bigquery.tables.updateData": "roles/bigquery.dataEditor on the dataset",
    "bigquery.tables.delete": "roles/bigquery.dataEditor on the dataset",
    "bigquery.datasets.create": "roles/bigquery.user on the project, for whoever runs `gnn init` alone",
    "iam.serviceAccounts.getAccessToken": "roles/iam.serviceAccountTokenCreator on that service account",
}
"""Permission → the role that has it and that deploy/bigquery grants."""
Open = Callable[[str], Warehouse]


def findings(where: Environment, settings: Settings) -> Iterator[Finding]:
    """Everything; one broken thing does not hide the others."""
    yield _placeholders(settings)
    opened: dict[str, Warehouse] = {}
    for role in ROLES:
        try:
            opened[role] = where.warehouse(settings, role)
        except GnnCoreError as error:
            yield Finding(f"identity of the {role}", False, str(error), "log in: gcloud auth application-default login")
    if len(opened) == len(ROLES):
        yield from rights(opened, settings)
        yield from sources(opened["stager"], settings)
        yield from tables(opened["stager"], settings)
    yield bucket(where, settings)
    yield from secrets(where, settings)


def rights(warehouses: dict[str, Warehouse], settings: Settings) -> Iterator[Finding]:
    """What each role must be able to do, and the one thing that the stager must not."""
    names = settings.warehouse
    probe = f"doctor_{uuid.uuid4().hex[:12]}"
    work, serving = TableName(names.work_dataset, probe), TableName(names.serving_dataset, probe)
    view = TableName(names.serving_dataset, f"{probe}_view")
    row = pa.table({"x": [1]})

    def may(role: str, what: str, action: Callable[[Warehouse], object]) -> Finding:
        return _may(settings, role, what, lambda: action(warehouses[role]))

    for role in ROLES:
        yield may(role, "may run queries", lambda w: w.estimate("SELECT 1 AS one"))
    try:
        yield may("stager", f"may write {work.dataset}", lambda w: w.load(work, row))
        yield may("stager", "may read rows (Storage Read API)", lambda w: w.read(work))
        yield may("publisher", f"may read {work.dataset}", lambda w: w.read(work))
        yield may("publisher", f"may write {serving.dataset}", lambda w: w.move(work, serving))
        yield may(
            "publisher", "may make views", lambda w: w.create_view(view, "SELECT x FROM {t}", tables={"t": serving})
        )
        yield may("reader", f"may read {serving.dataset}", lambda w: w.read(serving))
        yield _kept_apart(warehouses["stager"], serving, settings)
    finally:
        for role, table in (("publisher", view), ("publisher", serving), ("stager", work)):
            cleared = may(role, f"may drop its probe {table}", lambda w, t=table: w.drop(t))  # type: ignore[misc]
            if not cleared.good:
                yield cleared


def _kept_apart(stager: Warehouse, serving: TableName, settings: Settings) -> Finding:
    what, names = "stager cannot write what is served", settings.warehouse
    if names.stager == names.publisher:
        # The same process, or one account for both: pods have service accounts of their own, which cannot be seen here.
        who = names.stager or "this process's own identity"
        return Finding(what, True, f"not examined: {who} plays every role; in pods, service accounts keep them apart")
    try:
        stager.load(TableName(serving.dataset, f"{serving.table}_not_allowed"), pa.table({"x": [1]}))
    except WarehouseError:
        return Finding(what, True, f"{names.stager} was refused, as it should be")
    stager.drop(TableName(serving.dataset, f"{serving.table}_not_allowed"))
    remedy = f"take roles/bigquery.dataEditor on {serving.dataset} from {names.stager}: deploy/bigquery/grants.sql"
    return Finding(what, False, f"{names.stager} wrote to {serving.dataset}", remedy)


def sources(warehouse: Warehouse, settings: Settings) -> Iterator[Finding]:
    """Each source table with its columns."""
    dataset = settings.warehouse.source_dataset
    if settings.store.tables != "raw":
        for name in SNAPSHOT_TABLES:
            table = TableName(dataset, name)
            yield _may(settings, "stager", f"may see {table}", lambda t=table: _there(warehouse, t))  # type: ignore[misc]
        return
    for key in ("user_attributes", "events", "orders", "fitment", "catalogue", "sends", "engagements"):
        table = TableName(dataset, getattr(settings.sources, key))
        what = f"source table {table}"
        try:
            require_sources(warehouse, (key,), settings)
            warehouse.mark(table)
            yield Finding(what, True, "there, with the columns that are read")
        except UntrackedRowsError:
            seen = "there, as a view with the columns that are read: new_data_are_refreshed cannot see it change"
            yield Finding(what, True, f"{seen}, and the schedule every_monday alone starts the week")
        except ContractError as error:
            yield Finding(what, False, str(error), f"load it, or set sources.{key}; a view with these columns will do")
        except WarehouseError as error:
            yield _refused(settings, "stager", what, error)


def tables(warehouse: Warehouse, settings: Settings) -> Iterator[Finding]:
    """Datasets and tables of `gnn init`."""
    try:
        lines = plan(warehouse, settings)
    except WarehouseError as error:
        yield _refused(settings, "stager", "tables of the platform", error)
        return
    for line in lines:
        if line.state == CREATE:
            yield Finding(
                f"table {line.name}", False, "missing", "`gnn init` shows the plan, `gnn init --yes` makes it"
            )
        elif line.state == DIFFERS:
            yield Finding(f"table {line.name}", False, line.seen, "`gnn init` says how to move its rows")
    good = sum(line.state not in (CREATE, DIFFERS) for line in lines)
    yield Finding("tables of the platform", True, f"{good} of {len(lines)} are there, or are made by a run")


def bucket(where: Environment, settings: Settings) -> Finding:
    """Write and read one small artifact."""
    root = where.artifact_root(settings)
    try:
        store = where.artifacts(settings)
        store.write("doctor", "probe", {"x.json": b"1"})
        store.read("doctor", "probe").bytes("x.json")
    except Exception as error:  # gcsfs, its transport and google.auth each have errors of their own
        name = root.removeprefix("gs://").split("/")[0]
        remedy = (
            f"gcloud storage buckets create gs://{name} --location {settings.warehouse.location}; then "
            f"gcloud storage buckets add-iam-policy-binding gs://{name} --role roles/storage.objectUser --member "
            "serviceAccount:… for the step's and the publisher's account"
            if root.startswith("gs://")
            else "set artifacts.root to a bucket: pods share no disk"
        )
        return Finding(f"bucket {root}", False, f"{type(error).__name__}: {error}", remedy)
    return Finding(f"bucket {root}", True, "write and read work")


def secrets(where: Environment, settings: Settings) -> Iterator[Finding]:
    """Environment variables that hold secrets, as far as the configuration makes use of them."""
    alerts = settings.alerts
    channels = {channel for routed in alerts.routes.values() for channel in routed}
    wanted = {alerts.webhook_url_variable: "the webhook's address"} if "webhook" in channels else {}
    if "email" in channels and alerts.smtp_user:
        wanted[alerts.smtp_password_variable] = f"the password of {alerts.smtp_user}"
    for variable, what in wanted.items():
        there = where.secret(variable) is not None
        remedy = (
            f"kubectl -n {settings.kubernetes.namespace} create secret generic gnn-alerts --from-literal "
            f"{variable}=…, and name it in deploy/helm/values.yaml; on one machine, export it"
        )
        yield Finding(f"secret {variable}", there, f"{what} is {'set' if there else 'not set'}", remedy)


def _placeholders(settings: Settings) -> Finding:
    alerts = settings.alerts
    texts = [settings.warehouse.project, settings.artifacts.root, alerts.base_url, alerts.smtp_host, alerts.email_from]
    texts += [settings.store.name, *alerts.email_to, *(getattr(settings.warehouse, role) for role in ROLES)]
    left = sorted({t for t in texts if t and _PLACEHOLDER.search(t)})
    return Finding(
        "names filled in",
        not left,
        ", ".join(left) if left else "no placeholder of configs/production.yaml is left",
        "write your own names into the configuration",
    )


def _there(warehouse: Warehouse, table: TableName) -> None:
    if not warehouse.exists(table):
        raise WarehouseError(f"{table} does not exist; load it under this name")


def _may(settings: Settings, role: str, what: str, action: Callable[[], object]) -> Finding:
    try:
        action()
    except WarehouseError as error:
        return _refused(settings, role, f"{role} {what}", error)
    return Finding(f"{role} {what}", True, getattr(settings.warehouse, role) or "this process's own identity")


def _refused(settings: Settings, role: str, what: str, error: WarehouseError) -> Finding:
    """A refusal with the permission that it names, and the grant that gives it."""
    who = getattr(settings.warehouse, role) or "this process's own identity"
    named = _PERMISSION.search(str(error))
    if named is None:
        return Finding(what, False, f"{who}: {error}", "docs/operations/bigquery.md, What refusals mean")
    permission = named.group(0)
    grant = ROLE_OF.get(permission, "a role that has it")
    return Finding(what, False, f"{who} lacks {permission}: {error}", f"grant {grant} to {who}: deploy/bigquery")

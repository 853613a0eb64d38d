"""`gnn doctor` where rows are in BigQuery: every missing right, table, bucket and secret by name, with what to do.

Refusals come from stubs that speak as BigQuery does: no emulator refuses anybody anything.
"""

import shutil

import pytest
import yaml

from gnn_assets.cli import doctor_cloud
from gnn_assets.environment import PROJECT
from gnn_core.config import load_settings
from gnn_core.errors import WarehouseError
from gnn_core.io.emulators import BIGQUERY_GRPC, BIGQUERY_REST, GCS
from gnn_core.io.untracked import UntrackedRowsError
from tests.fixtures.gcs import BUCKET
from tests.fixtures.installation import Installation

ACCOUNTS = {role: f"gnn-{role}@p.iam.gserviceaccount.com" for role in ("reader", "stager", "publisher")}
CLOUD = {"engine": "bigquery", "project": "p", **ACCOUNTS}


def settings_of(**changes):
    return load_settings(PROJECT / "configs" / "gnn_config.yaml", [{"warehouse": {**CLOUD, **changes}}])


class Policy:
    """A warehouse that does as it is told, unless it has no right to: `denied` maps (method, dataset) → permission."""

    engine = "bigquery"

    def __init__(self, denied=()):
        self.denied, self.written, self.dropped = dict(denied), [], []

    def _ask(self, method, dataset=""):
        permission = self.denied.get((method, dataset))
        if permission:
            raise WarehouseError(
                f"{method}: not allowed with these credentials: Access Denied: Dataset p:{dataset}: "
                f"Permission {permission} denied on dataset p:{dataset} (or it may not exist)."
            )

    def estimate(self, sql, **_):
        self._ask("estimate")
        return 0

    def load(self, table, rows, **_):
        self._ask("load", table.dataset)
        self.written.append(str(table))

    def read(self, table):
        self._ask("read", table.dataset)

    def move(self, source, target):
        self._ask("move", target.dataset)

    def create_view(self, view, sql, **_):
        self._ask("view", view.dataset)

    def drop(self, table):
        self._ask("drop", table.dataset)
        self.dropped.append(str(table))


def judged(settings, **denied):
    policies = {role: Policy(denied.get(role, ())) for role in ACCOUNTS}
    if settings.warehouse.stager != settings.warehouse.publisher:
        policies["stager"].denied.setdefault(("load", "serving"), "bigquery.tables.create")
    return {f.what: f for f in doctor_cloud.rights(policies, settings)}, policies


def test_three_accounts_with_their_rights_are_in_order_and_no_probe_is_left():
    found, policies = judged(settings_of())
    assert [f.what for f in found.values() if not f.good] == []
    assert found["stager cannot write what is served"].seen == f"{ACCOUNTS['stager']} was refused, as it should be"
    assert set(policies["stager"].written) == set(policies["stager"].dropped)


@pytest.mark.parametrize(
    ("role", "method", "dataset", "permission", "what", "grant"),
    [
        ("reader", "estimate", "", "bigquery.jobs.create", "reader may run queries", "roles/bigquery.jobUser"),
        ("reader", "read", "serving", "bigquery.tables.getData", "reader may read serving", "dataViewer"),
        ("stager", "load", "work", "bigquery.tables.create", "stager may write work", "dataEditor"),
        (
            "stager",
            "read",
            "work",
            "bigquery.readsessions.create",
            "stager may read rows (Storage Read API)",
            "readSessionUser",
        ),
        ("publisher", "move", "serving", "bigquery.tables.create", "publisher may write serving", "dataEditor"),
        (
            "publisher",
            "read",
            "work",
            "iam.serviceAccounts.getAccessToken",
            "publisher may read work",
            "serviceAccountTokenCreator",
        ),
    ],
)
def test_a_missing_right_is_named_with_who_lacks_it_and_the_role_that_has_it(
    role, method, dataset, permission, what, grant
):
    found, _ = judged(settings_of(), **{role: {(method, dataset): permission}})
    assert not found[what].good
    assert f"{ACCOUNTS[role]} lacks {permission}" in found[what].seen
    assert grant in found[what].remedy
    assert ACCOUNTS[role] in found[what].remedy


def test_a_stager_that_can_write_what_is_served_is_a_finding():
    policies = {role: Policy() for role in ACCOUNTS}
    found = {f.what: f for f in doctor_cloud.rights(policies, settings_of())}
    finding = found["stager cannot write what is served"]
    assert not finding.good
    assert "take roles/bigquery.dataEditor on serving" in finding.remedy
    assert set(policies["stager"].written) == set(policies["stager"].dropped)


def test_one_identity_for_every_role_is_said_and_not_called_a_separation():
    found, _ = judged(settings_of(**dict.fromkeys(ACCOUNTS)))
    assert "not examined" in found["stager cannot write what is served"].seen


@pytest.fixture
def production(tmp_path):
    """An installation whose production overlay is filled in, with nothing behind it yet."""
    made = Installation.create(tmp_path / "store")
    shutil.copy(PROJECT / "configs" / "production.yaml", made.root / "configs")
    return made


def overlay(store, **sections):
    (store.root / "configs" / "production.yaml").write_text(yaml.safe_dump(sections))


def test_placeholders_of_the_shipped_overlay_are_named(production):
    settings = load_settings(
        production.root / "configs" / "gnn_config.yaml", [production.root / "configs" / "production.yaml"]
    )
    finding = doctor_cloud._placeholders(settings)
    assert not finding.good
    assert "your-project" in finding.seen
    assert "your-store" in finding.seen
    assert "gs://your-bucket/gnn" in finding.seen


@pytest.mark.emulator
@pytest.mark.timeout(900)
def test_everything_that_is_missing_is_listed_and_goes_when_it_is_there(
    production, bigquery_emulator, gcs_emulator, monkeypatch
):
    monkeypatch.setenv(BIGQUERY_REST, bigquery_emulator.rest)
    monkeypatch.setenv(BIGQUERY_GRPC, bigquery_emulator.storage)
    monkeypatch.setenv(GCS, gcs_emulator)
    monkeypatch.delenv("GNN_ALERT_WEBHOOK_URL", raising=False)
    monkeypatch.delenv("GNN_ALERT_SMTP_PASSWORD", raising=False)
    routes = {"critical": ["webhook", "email"], "error": [], "warning": []}
    alerts = {"routes": routes, "smtp_host": "mail", "smtp_user": "me", "email_from": "a@b", "email_to": ["c@d"]}
    warehouse = {"engine": "bigquery", "project": "doctor-project"}
    overlay(production, warehouse=warehouse, artifacts={"root": "gs://no-such-bucket/gnn"}, alerts=alerts)

    printed = production.gnn("doctor", "--env", "production", code=1)
    for table in ("user_attributes", "events", "historical_orders", "vehicle_fitment", "product_catalogue"):
        assert f"BAD source table source.{table}: source table source.{table} does not exist" in printed
    for table in ("work", "serving", "serving.publish_ledger", "serving.embedding_live"):
        assert f"BAD table {table}: missing → `gnn init` shows the plan" in printed
    assert "BAD bucket gs://no-such-bucket/gnn" in printed
    assert "→ gcloud storage buckets create gs://no-such-bucket" in printed
    assert "BAD secret GNN_ALERT_WEBHOOK_URL: the webhook's address is not set" in printed
    assert "BAD secret GNN_ALERT_SMTP_PASSWORD: the password of me is not set" in printed

    overlay(production, warehouse=warehouse, artifacts={"root": f"gs://{BUCKET}/doctor"}, alerts=alerts)
    monkeypatch.setenv("GNN_ENV", "production")
    monkeypatch.setattr(Installation, "variables", {**production.variables, "GNN_ENV": "production"})
    production.gnn("init", "--yes")
    production.gnn("simulate", "tiny")
    monkeypatch.setenv("GNN_ALERT_WEBHOOK_URL", "https://hooks.example/x")
    monkeypatch.setenv("GNN_ALERT_SMTP_PASSWORD", "secret-word")
    printed = production.gnn("doctor")
    assert "BAD" not in printed
    assert "secret-word" not in printed
    assert "Dry run of the week as of 2026-03-02" in printed


def test_a_source_that_is_a_view_is_good_and_what_it_costs_is_said(monkeypatch):
    class Views:
        def mark(self, table):
            raise UntrackedRowsError(f"mark of {table}: it is a view")

    monkeypatch.setattr(doctor_cloud, "require_sources", lambda *_: None)
    found = list(doctor_cloud.sources(Views(), settings_of()))
    assert all(finding.good for finding in found)
    assert all("every_monday alone starts the week" in finding.seen for finding in found)

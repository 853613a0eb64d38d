"""The grants that are shipped are the ones that `gnn doctor` asks for, and only the publisher writes what is served."""

import re
import subprocess

import pytest

from gnn_assets.alerts.post import DOCUMENT
from gnn_assets.cli.doctor_cloud import ROLE_OF
from gnn_assets.environment import PROJECT
from gnn_core.config import load_settings
from tests.fixtures.chart import helm_values

FOLDER = PROJECT / "deploy" / "bigquery"
GRANTS = (FOLDER / "grants.sql").read_text()
GRANT = re.compile(r"GRANT `(roles/[\w.]+)` ON SCHEMA `YOUR-PROJECT\.(\w+)`\s+TO ([^;]+);")


def granted():
    return {
        (role, dataset, account)
        for role, dataset, to in GRANT.findall(GRANTS)
        for account in re.findall(r"serviceAccount:(gnn-\w+)@YOUR-PROJECT\.iam", to)
    }


def test_every_right_is_the_least_that_its_identity_needs():
    view, edit = "roles/bigquery.dataViewer", "roles/bigquery.dataEditor"
    assert granted() == {
        *((view, "source", who) for who in ("gnn-reader", "gnn-dagster", "gnn-step", "gnn-publish")),
        *((view, "serving", who) for who in ("gnn-reader", "gnn-dagster", "gnn-step")),
        *((edit, "work", who) for who in ("gnn-step", "gnn-publish")),
        (edit, "serving", "gnn-publish"),
    }
    assert len(GRANT.findall(GRANTS)) == GRANTS.count("GRANT `")


def test_every_role_that_the_doctor_names_is_granted_by_the_shipped_files():
    shipped = GRANTS + (FOLDER / "identities.sh").read_text()
    told = {re.match(r"roles/[\w.]+", grant).group(0) for grant in ROLE_OF.values()}
    assert {role for role in told if role not in shipped} == {"roles/bigquery.user"}  # the administrator's own


def test_the_script_is_sound_and_asks_for_what_it_needs():
    script = FOLDER / "identities.sh"
    assert subprocess.run(["/bin/bash", "-n", str(script)], check=False).returncode == 0
    asked = subprocess.run(
        ["/bin/bash", str(script)], env={"PATH": "/nowhere"}, capture_output=True, text=True, check=False
    )
    assert asked.returncode != 0
    assert "PROJECT" in asked.stderr


@pytest.fixture
def asked(tmp_path):
    """What the script asks of `gcloud` and `bq`, one command a line, where nothing is there yet."""
    log = tmp_path / "asked"
    for name in ("gcloud", "bq"):
        stub = tmp_path / name
        stub.write_text(f'#!/bin/bash\necho "{name} $*" >> {log}\n[[ "$*" != *" describe "* && "$*" != "show "* ]]\n')
        stub.chmod(0o755)
    variables = {"PATH": f"{tmp_path}:/usr/bin:/bin", "PROJECT": "shop", "BUCKET": "shelf"}
    subprocess.run(["/bin/bash", str(FOLDER / "identities.sh")], env=variables, check=True)
    return log.read_text().splitlines()


def test_the_code_server_may_do_what_its_sensors_do_and_write_no_artifact(asked):
    """Sensors run in the code server: they query, read artifacts, and keep the alerts beside them."""
    values = helm_values()
    account = values["global"]["serviceAccountName"]
    view = "roles/bigquery.dataViewer"
    assert {(view, "source", account), (view, "serving", account)} <= granted()
    of_it = [line for line in asked if f"serviceAccount:{account}@shop.iam" in line]
    for role in ("roles/bigquery.jobUser", "roles/bigquery.readSessionUser", "roles/storage.objectViewer"):
        assert any(f"--role {role} " in line for line in of_it), role
    (writes,) = [line for line in of_it if "objectUser" in line]
    root = load_settings(
        PROJECT / "configs" / "gnn_config.yaml", [PROJECT / "configs" / "production.yaml"]
    ).artifacts.root
    folder = f"{root.split('/')[-1]}/{DOCUMENT.split('/')[0]}/"
    logs = values["computeLogManager"]["config"]["gcsComputeLogManager"]["prefix"]
    objects = "projects/_/buckets/shelf/objects"
    condition = writes.split("--condition ")[1]
    assert re.findall(r"startsWith\('(.+?)'\)", condition) == [f"{objects}/{folder}", f"{objects}/{logs}/"]


def test_every_account_of_the_rights_is_made_first(asked):
    made = {line.split()[4] for line in asked if line.startswith("gcloud iam service-accounts create")}
    assert made == {account for _, _, account in granted()}

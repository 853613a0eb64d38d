"""The grants that are shipped are the ones that `gnn doctor` asks for, and only the publisher writes what is served."""

import re
import subprocess

from gnn_assets.cli.doctor_cloud import ROLE_OF
from gnn_assets.environment import PROJECT

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
        *((view, "source", who) for who in ("gnn-reader", "gnn-step", "gnn-publish")),
        *((view, "serving", who) for who in ("gnn-reader", "gnn-step")),
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

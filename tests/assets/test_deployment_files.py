"""The deployment's own files: manifests, chart values and image recipe agree with each other and with the config."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import kubernetes_validate
import pytest
import yaml
from dagster._config import validate_config
from dagster._core.instance.config import dagster_instance_config_schema

from gnn_assets.environment import PROJECT
from gnn_core.config import load_settings
from tests.fixtures.chart import containerfile, helm_values, instance_settings, launcher_config, manifests
from tests.fixtures.kubernetes_versions import VERSIONS
from tests.k8s.raising import overlays


@pytest.mark.parametrize("version", VERSIONS)
def test_every_manifest_is_strictly_valid(version):
    documents = manifests()
    assert {d["kind"] for d in documents} >= {"Namespace", "ServiceAccount", "Role", "RoleBinding"}
    for document in documents:
        kubernetes_validate.validate(document, version, strict=True)


def test_values_config_and_manifests_name_the_same_things():
    values = helm_values()
    settings = load_settings(PROJECT / "configs" / "gnn_config.yaml").kubernetes
    launcher = launcher_config(values)
    accounts = {d["metadata"]["name"] for d in manifests() if d["kind"] == "ServiceAccount"}
    assert {d["metadata"].get("namespace", "gnn") for d in manifests()} == {settings.namespace}
    assert launcher["job_namespace"] == settings.namespace
    assert launcher["service_account_name"] in accounts
    assert launcher["run_k8s_config"]["pod_spec_config"]["serviceAccountName"] in accounts
    claims = {d["metadata"]["name"] for d in manifests() if d["kind"] == "PersistentVolumeClaim"}
    assert {p.scratch_claim for p in settings.pods.values() if p.scratch_claim} == claims
    named = {settings.step_service_account, *(p.service_account for p in settings.pods.values() if p.service_account)}
    assert named <= accounts
    assert re.search(rf"USER {launcher['security_context']['runAsUser']}\b", containerfile())


@pytest.mark.parametrize("environment", ["production", "starving"])
def test_the_cluster_of_the_tests_runs_what_production_ships(environment, tmp_path):
    """Its config is made of the shipped one, so a key of any kind there must survive the way through a file."""
    written = tmp_path / "overlay.yaml"
    written.write_text(yaml.safe_dump(overlays("gnn-test")[environment]))
    shipped = PROJECT / "configs" / "production.yaml"
    base = PROJECT / "configs" / "gnn_config.yaml"
    made, production = load_settings(base, [written]), load_settings(base, [shipped])
    assert made.sources == production.sources
    assert made.alerts == production.alerts
    assert made.kubernetes.steps_in_pods
    assert made.kubernetes.namespace == "gnn-test"


def test_the_image_keeps_bytecode_of_its_code_and_of_python_itself():
    compiled = re.search(r"-m compileall .*/opt/app .*", containerfile())
    assert compiled
    asked = re.search(r"python -c '(.+?)'", compiled[0])
    assert asked
    done = subprocess.run([sys.executable, "-c", asked[1]], capture_output=True, text=True, check=True)
    assert Path(done.stdout.strip(), "os.py").is_file()


def test_the_image_keeps_the_command_that_it_starts():
    """The command comes with the project's installation, so that may not be taken away; its build tries it."""
    recipe = containerfile()
    assert "pip uninstall" not in recipe
    command = re.search(r'CMD \["(\w+)"', recipe)
    assert command
    assert command[1] in tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["scripts"]
    assert re.search(rf"^RUN {command[1]} --help", recipe, re.MULTILINE)


def test_steps_and_publishers_are_bound_to_no_role():
    bound = {s["name"] for d in manifests() if d["kind"] == "RoleBinding" for s in d["subjects"]}
    assert bound == {"gnn-dagster", "gnn-run"}


def test_launchers_may_touch_jobs_and_pods_and_read_nothing_secret():
    (role,) = [d for d in manifests() if d["kind"] == "Role"]
    rights = {(r, v) for rule in role["rules"] for r in rule["resources"] for v in rule["verbs"]}
    assert rights == {
        ("jobs", "create"), ("jobs", "get"), ("jobs", "list"), ("jobs", "delete"), ("jobs/status", "get"),
        ("pods", "get"), ("pods", "list"), ("pods", "delete"), ("pods/log", "get"), ("events", "list"),
    }  # fmt: skip


def test_dagster_takes_the_instance_settings_that_the_chart_would_write():
    settings = instance_settings(helm_values())
    result = validate_config(dagster_instance_config_schema(), settings)
    assert result.success, result.errors
    assert settings["run_monitoring"]["enabled"] is True
    assert settings["run_monitoring"]["max_resume_run_attempts"] == 0
    assert settings["run_retries"]["retry_on_asset_or_op_failure"] is False


def test_no_file_of_the_deployment_names_a_host_of_anybody():
    texts = [containerfile(), *(p.read_text() for p in (PROJECT / "deploy").rglob("*.y*ml"))]
    hosts = {h for text in texts for h in re.findall(r"https?://([^/\s\"']+)", text)}
    assert hosts <= {"download.pytorch.org"}

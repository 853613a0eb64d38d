"""Every Job of a production run, rendered by dagster-k8s as it would be submitted, and held against Kubernetes."""

import copy
import re
from functools import cache
from types import SimpleNamespace

import dagster as dg
import kubernetes
import kubernetes_validate
import pytest
import yaml
from dagster._core.definitions.dependency import NodeHandle
from dagster._core.definitions.reconstruct import reconstructable
from dagster._core.execution.api import create_execution_plan
from dagster._core.execution.context.system import PlanData, PlanOrchestrationContext
from dagster._core.execution.context_creation_job import create_context_free_log_manager
from dagster._core.execution.plan.step import ExecutionStep
from dagster._core.execution.retries import RetryMode
from dagster._core.executor.init import InitExecutorContext
from dagster._core.executor.step_delegating import StepHandlerContext
from dagster._core.launcher import LaunchRunContext
from dagster._core.test_utils import instance_for_test
from dagster._grpc.types import ExecuteStepArgs
from dagster_k8s.client import DagsterKubernetesClient

from gnn_assets.definitions import build_defs
from gnn_assets.environment import PROJECT, Environment
from gnn_core.errors import ConfigError
from tests.fixtures.chart import helm_values, launcher_config
from tests.fixtures.kubernetes_versions import VERSIONS

pytestmark = pytest.mark.slow

IMAGE = "registry.example/gnn:1"
TRAINING = {"gnn_checkpoint", "promoted_model"}
GPU = "nvidia.com/gpu"
SHARDED = "recommendation_candidates"
"""Made by several steps, of which two score a shard each here."""
RUN = "@run"
"""Key of the run's own Job among those of its steps."""
KUBECONFIG = {
    "apiVersion": "v1",
    "kind": "Config",
    "clusters": [{"name": "none", "cluster": {"server": "http://127.0.0.1:9"}}],
    "users": [{"name": "none", "user": {}}],
    "contexts": [{"name": "none", "context": {"cluster": "none", "user": "none"}}],
    "current-context": "none",
}


def production(tmp_path, **sections):
    """The shipped configuration with what every retailer fills in, and what a test changes."""
    configs = tmp_path / "configs"
    configs.mkdir()
    shipped = yaml.safe_load((PROJECT / "configs" / "production.yaml").read_text())
    for name, values in sections.items():
        shipped[name] = {**shipped.get(name, {}), **values}
    (configs / "production.yaml").write_text(yaml.safe_dump(shipped))
    (configs / "gnn_config.yaml").write_text((PROJECT / "configs" / "gnn_config.yaml").read_text())
    return Environment("production", configs, tmp_path / "state")


def production_job():
    """For `reconstructable`: how a pod finds the job again."""
    return build_defs(Environment.from_variables()).resolve_job_def("weekly")


class Submitted:
    """Stands where the API server would, and keeps what it is sent."""

    def __init__(self):
        self.jobs = []
        self.core = SimpleNamespace()

    def create_namespaced_job(self, namespace, body, **_):
        assert body.metadata.namespace in (None, namespace)
        self.jobs.append((namespace, kubernetes.client.ApiClient().sanitize_for_serialization(body)))


def rendered(where, tmp_path, monkeypatch, values=None):
    """Step → (namespace, Job) of the weekly job, through the run launcher's and the executor's own code."""
    monkeypatch.setenv("GNN_ENV", where.name)
    monkeypatch.setenv("GNN_CONFIG_DIR", str(where.config_dir))
    monkeypatch.setenv("GNN_STATE_DIR", str(where.state_dir))
    (tmp_path / "kubeconfig").write_text(yaml.safe_dump(KUBECONFIG))
    launcher = launcher_config(values or helm_values())
    launcher |= {"load_incluster_config": False, "kubeconfig_file": str(tmp_path / "kubeconfig")}
    overrides = {"run_launcher": {"module": "dagster_k8s", "class": "K8sRunLauncher", "config": launcher}}
    job = production_job()
    with instance_for_test(overrides=overrides) as instance:
        executor = job.executor_def.executor_creation_fn(
            InitExecutorContext(
                job=reconstructable(production_job),
                executor_def=job.executor_def,
                executor_config=job.executor_def.apply_config_mapping({"config": {}}).value["config"],
                instance=instance,
            )
        )
        return _launch(job, instance, executor)


def _launch(job, instance, executor):
    submitted, origin = Submitted(), reconstructable(production_job).get_python_origin()
    origin = origin._replace(repository_origin=origin.repository_origin._replace(container_image=IMAGE))
    run = instance.create_run_for_job(job_def=job, job_code_origin=origin, tags={"dagster/partition": "2026-02-23"})
    handler = executor._step_handler
    handler._api_client = DagsterKubernetesClient.production_client(
        batch_api_override=submitted, core_api_override=submitted.core
    )
    plan = create_execution_plan(job)
    plan.resolve({f"{SHARDED}.plan_shards": {"result": ["shard_0", "shard_1"]}})
    context = PlanOrchestrationContext(
        plan_data=PlanData(
            job=reconstructable(production_job),
            dagster_run=run,
            instance=instance,
            execution_plan=plan,
            raise_on_error=True,
            retry_mode=RetryMode.ENABLED,
        ),
        log_manager=create_context_free_log_manager(instance, run),
        executor=executor,
        output_capture=None,
    )
    instance.run_launcher._api_client = handler._api_client
    instance.run_launcher.launch_run(LaunchRunContext(dagster_run=run, workspace=None))
    jobs = {RUN: submitted.jobs.pop()}
    for step in (s for s in plan.steps if isinstance(s, ExecutionStep)):
        arguments = ExecuteStepArgs(
            job_origin=origin, run_id=run.run_id, step_keys_to_execute=[step.key], instance_ref=instance.get_ref()
        )
        list(handler.launch_step(StepHandlerContext(instance, context, [step], arguments, run)))
        jobs[step.key] = submitted.jobs.pop()
    return jobs


@pytest.fixture(scope="module")
def jobs(tmp_path_factory):
    """The shipped production configuration's Jobs by step."""
    folder = tmp_path_factory.mktemp("production")
    with pytest.MonkeyPatch.context() as patch:
        return rendered(production(folder), folder, patch)


@pytest.fixture(scope="module")
def steps(jobs):
    """The Jobs of steps alone."""
    return {name: job for name, job in jobs.items() if name != RUN}


@pytest.fixture(scope="module", autouse=True)
def schemas_read_once():
    """A version's schemas are two megabytes of JSON, which the validator would read again for every document."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kubernetes_validate.utils, "schema_contents", cache(kubernetes_validate.utils.schema_contents))
        yield


def pod(job):
    return job["spec"]["template"]["spec"]


def container(job):
    (only,) = pod(job)["containers"]
    return only


def test_every_asset_and_every_check_of_the_week_gets_a_pod(jobs, tmp_path):
    layer = build_defs(production(tmp_path)).resolve_job_def("weekly").asset_layer
    assets = {key.to_user_string() for key in layer.executable_asset_keys}
    checks = {f"{k.asset_key.to_user_string()}_{k.name}" for k in layer.asset_graph.asset_check_keys}
    shards = {f"{SHARDED}.{s}" for s in ("plan_shards", "score_shard[shard_0]", "score_shard[shard_1]", "merge_shards")}
    together = {"audit", "weekly_findings", "product_similarity_rules", "universal_ranking_rules"}
    assert assets - {SHARDED} <= set(jobs)
    assert set(jobs) - assets - checks == {RUN, *together, *shards}


def test_a_step_runs_in_the_environment_of_its_run(steps):
    for name, (_, job) in steps.items():
        last = [e["value"] for e in container(job)["env"] if e["name"] == "GNN_ENV"][-1]
        assert last == "production", name


def test_checks_that_read_the_same_share_a_pod(steps):
    alone = {step for step in steps if step.startswith(("serving_metrics_", "product_similarity_"))}
    assert alone == {"product_similarity_rules", "product_similarity_products_have_neighbours"}


def test_a_step_is_seen_through_by_the_first_process_of_its_pod(jobs):
    for step, (_, job) in jobs.items():
        if step != RUN:
            assert container(job)["command"] == ["python", "-m", "gnn_assets.step_pod"], step
            assert container(job)["args"] == ["dagster", "api", "execute_step"], step
    assert "command" not in container(jobs[RUN][1])


def test_every_job_is_strictly_valid_on_the_newest_kubernetes(jobs):
    for _, job in jobs.values():
        kubernetes_validate.validate(job, VERSIONS[-1], strict=True)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_job_of_each_kind_is_strictly_valid(jobs, version):
    assert len(VERSIONS) >= 8
    for step in (RUN, "raw_users", "embeddings", "gnn_checkpoint", "recommendations"):
        kubernetes_validate.validate(jobs[step][1], version, strict=True)


def test_strictly_means_that_a_misspelt_field_is_refused(jobs):
    job = copy.deepcopy(jobs["gnn_checkpoint"][1])
    job["spec"]["template"]["spec"]["nodeSelectors"] = {}
    with pytest.raises(kubernetes_validate.ValidationError, match="nodeSelectors"):
        kubernetes_validate.validate(job, VERSIONS[0], strict=True)


def test_training_asks_for_a_gpu_and_nothing_else_does(steps):
    asking = {step for step, (_, job) in steps.items() if GPU in container(job)["resources"]["limits"]}
    assert asking == TRAINING
    for step in TRAINING:
        job = steps[step][1]
        assert container(job)["resources"]["requests"][GPU] == container(job)["resources"]["limits"][GPU] == "1"
        assert pod(job)["nodeSelector"] == {"cloud.google.com/gke-accelerator": "nvidia-tesla-t4"}
        assert pod(job)["tolerations"] == [{"key": GPU, "operator": "Exists", "effect": "NoSchedule"}]


def test_pods_without_a_gpu_stay_off_the_nodes_that_have_one(steps):
    for step, (_, job) in steps.items():
        if step not in TRAINING:
            assert "cloud.google.com/gke-accelerator" not in pod(job)["nodeSelector"], step
            assert not [t for t in pod(job)["tolerations"] if t["key"] == GPU], step


def test_kubernetes_never_retries_a_job_and_ends_it_in_time(steps):
    for step, (_, job) in steps.items():
        assert job["spec"]["backoffLimit"] == 0, step
        assert pod(job)["restartPolicy"] == "Never", step
        assert job["spec"]["activeDeadlineSeconds"] == (
            14400 if step in TRAINING else job["spec"]["activeDeadlineSeconds"]
        )
        assert 60 <= job["spec"]["activeDeadlineSeconds"] <= 14400, step
        assert job["spec"]["ttlSecondsAfterFinished"] == 172800, step


def test_memory_is_capped_at_what_was_asked_for_and_cores_are_not(steps):
    for step, (_, job) in steps.items():
        resources = container(job)["resources"]
        assert resources["requests"]["memory"] == resources["limits"]["memory"], step
        assert "cpu" in resources["requests"], step
        assert "cpu" not in resources["limits"], step


def test_what_is_served_is_written_under_an_identity_of_its_own(steps):
    writers = {step for step, (_, job) in steps.items() if pod(job)["serviceAccountName"] == "gnn-publish"}
    assert writers == {
        *("recommendations", "treatment_assignments", "rollout_stage", "cost_ledger"),
        *("published_embeddings", "product_similarity", "universal_ranking"),
    }
    assert {pod(job)["serviceAccountName"] for _, job in steps.values()} == {"gnn-step", "gnn-publish"}


def test_a_step_has_no_token_of_the_cluster_and_no_rights_to_gain(steps):
    for step, (_, job) in steps.items():
        assert pod(job)["automountServiceAccountToken"] is False, step
        security = container(job)["securityContext"]
        assert security["allowPrivilegeEscalation"] is False, step
        assert security["capabilities"] == {"drop": ["ALL"]}, step
        assert security["runAsNonRoot"] is True, step


def test_steps_run_in_the_image_of_their_code_server_in_the_namespace_of_the_config(jobs):
    assert {container(job)["image"] for _, job in jobs.values()} == {IMAGE}
    assert {namespace for namespace, _ in jobs.values()} == {"gnn"}


def test_a_run_has_the_rights_to_start_its_steps_and_no_gpu(jobs):
    namespace, job = jobs[RUN]
    assert namespace == "gnn"
    assert pod(job)["serviceAccountName"] == "gnn-run"
    assert pod(job)["automountServiceAccountToken"] is True
    assert job["spec"]["backoffLimit"] == 0
    assert GPU not in container(job)["resources"]["limits"]


def test_a_pod_that_works_is_not_evicted_to_save_a_node(jobs):
    for step, (_, job) in jobs.items():
        annotations = job["spec"]["template"]["metadata"]["annotations"]
        assert annotations["cluster-autoscaler.kubernetes.io/safe-to-evict"] == "false", step


@pytest.mark.slow
def test_pods_of_the_config_reach_the_job(tmp_path, monkeypatch):
    base = yaml.safe_load((PROJECT / "configs" / "gnn_config.yaml").read_text())["kubernetes"]
    kinds = {**base["pods"]}
    taint = {"key": "team", "operator": "Equal", "value": "search", "effect": "NoExecute"}
    kinds["train"] = {
        **kinds["train"], "memory": "9Gi", "deadline_s": 77, "image": "registry.example/gnn-cuda:1",
        "scratch_claim": "training", "node_selector": {"pool": "big"}, "tolerations": [taint],
    }  # fmt: skip
    where = production(tmp_path, kubernetes={"pods": kinds, "namespace": "other", "step_service_account": "nobody"})
    jobs = rendered(where, tmp_path, monkeypatch)
    namespace, job = jobs["gnn_checkpoint"]
    assert namespace == "other"
    assert container(job)["resources"]["limits"] == {"memory": "9Gi", GPU: "1"}
    assert container(job)["image"] == "registry.example/gnn-cuda:1"
    assert job["spec"]["activeDeadlineSeconds"] == 77
    assert pod(job)["nodeSelector"] == {"pool": "big"}
    assert pod(job)["tolerations"] == [taint]
    assert pod(job)["serviceAccountName"] == "nobody"
    claims = {
        v["name"]: v["persistentVolumeClaim"]["claimName"] for v in pod(job)["volumes"] if "persistentVolumeClaim" in v
    }
    mounts = {m["name"]: m["mountPath"] for m in container(job)["volumeMounts"]}
    assert claims == {"scratch": "training"}
    assert mounts["scratch"] == str(where.training_dir)
    kubernetes_validate.validate(job, VERSIONS[-1], strict=True)
    assert "scratch" not in {v["name"] for v in pod(jobs["embeddings"][1])["volumes"]}


def test_every_job_of_production_runs_in_pods_and_tries_a_lost_step_again(tmp_path):
    definitions = build_defs(production(tmp_path))
    for name in ("weekly", "experiment", "republish"):
        job = definitions.resolve_job_def(name)
        assert job.executor_def.name == "k8s", name
        policies = {job.get_retry_policy_for_handle(NodeHandle(node.name, None)) for node in job.nodes}
        (policy,) = policies
        assert (policy.max_retries, policy.delay) == (1, 30.0), name


def test_a_laptop_runs_every_job_in_one_process_and_repeats_nothing(tmp_path):
    where = Environment("local", PROJECT / "configs", tmp_path)
    job = build_defs(where).resolve_job_def("weekly")
    assert job.executor_def is dg.in_process_executor
    assert all(job.get_retry_policy_for_handle(NodeHandle(n.name, None)) is None for n in job.nodes)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"steps": {"gnn_chekpoint": "train"}}, "kubernetes.steps names gnn_chekpoint"),
        ({"steps": {"gnn_checkpoint": "huge"}}, "kubernetes.steps.gnn_checkpoint is 'huge'"),
        ({"namespace": "GNN"}, "kubernetes.namespace is 'GNN'"),
        ({"pods": {}}, "kubernetes.pods has no 'default'"),
        ({"pod": {"cpu": "0"}}, "kubernetes.pods.default.cpu is '0'"),
        ({"pod": {"memory": "4G"}}, "kubernetes.pods.default.memory is '4G'"),
        ({"pod": {"gpu": 1}}, "kubernetes.pods.default.gpu must be 0"),
        ({"pod": {"deadline_s": 5}}, "kubernetes.pods.default.deadline_s is 5"),
        ({"pod": {"gpus": 1}}, "unknown key kubernetes.pods.default.gpus"),
        ({"max_concurrent_steps": 0}, "kubernetes.max_concurrent_steps is 0"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path, change, named):
    if "pod" in change:
        base = yaml.safe_load((PROJECT / "configs" / "gnn_config.yaml").read_text())["kubernetes"]["pods"]
        change = {"pods": {**base, "default": {**base["default"], **change["pod"]}}}
    with pytest.raises(ConfigError, match=re.escape(named)):
        build_defs(production(tmp_path, kubernetes=change))

"""Where steps run: in the process of their run, or each in a Kubernetes pod of its own size.

What belongs here: `kubernetes:` settings as configuration of dagster-k8s, and the choice of the executor. What does
not: how runs get a pod (K8sRunLauncher, in the instance settings under deploy/), or what a step computes.

A Job is never retried by Kubernetes (`backoffLimit` 0): its replacement pod would find the step started, end without
a word, and leave the run waiting. Steps are retried by their RetryPolicy, each try as a Job of its own. What ends a pod
otherwise than Dagster expects is seen to within it (step_pod.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import dagster as dg

from gnn_assets import step_pod
from gnn_core.config import KubernetesSettings, PodSettings
from gnn_core.errors import ConfigError

GPU = "nvidia.com/gpu"
SCRATCH = "scratch"


def executor(
    settings: KubernetesSettings, assets: Iterable[Any], scratch: str, environment: str
) -> dg.ExecutorDefinition:
    """The executor of every job: in process, or a pod a step.

    Args:
        settings: the `kubernetes:` section.
        assets: assets and asset checks of the platform.
        scratch: folder in a pod where a training leaves what it resumes from.
        environment: GNN_ENV of the run.
    Raises:
        ConfigError: `kubernetes.steps` names a step that does not exist.
    """
    known = step_names(assets)
    unknown = sorted(set(settings.steps) - set(known))
    if unknown:
        raise ConfigError(
            f"kubernetes.steps names {', '.join(unknown)}, which is no asset or check; known are {', '.join(known)}"
        )
    if not settings.steps_in_pods:
        return dg.in_process_executor
    from dagster_k8s import k8s_job_executor  # brings the whole client of Kubernetes, which a laptop never calls

    return k8s_job_executor.configured(executor_config(settings, known, scratch, environment))


def step_names(assets: Iterable[Any]) -> list[str]:
    """Names of the steps behind assets and checks, as dagster-k8s asks for them, sorted."""
    return sorted({name for a in assets for name in _ops(a.node_def)})


def _ops(node: Any) -> Iterable[str]:
    """An asset that is made in several steps has one op each."""
    return [node.name] if isinstance(node, dg.OpDefinition) else [op.name for op in node.iterate_op_defs()]


def executor_config(
    settings: KubernetesSettings, steps: Iterable[str], scratch: str, environment: str
) -> dict[str, Any]:
    """Configuration of `k8s_job_executor`; volumes and other variables a pod has from the instance."""
    config: dict[str, Any] = {
        "job_namespace": settings.namespace,
        "service_account_name": settings.step_service_account,
        "max_concurrent": settings.max_concurrent_steps,
        # A run pod that is gone takes its waiting steps along: nobody would read what they find.
        "enable_owner_references": True,
        "per_step_k8s_config": {
            step: step_config(settings, settings.pod_of(step), scratch, environment) for step in steps
        },
    }
    if settings.image:
        config["job_image"] = settings.image
    return config


def step_config(settings: KubernetesSettings, pod: PodSettings, scratch: str, environment: str) -> dict[str, Any]:
    """What dagster-k8s lays over a step's Job."""
    gpu = {GPU: str(pod.gpu)} if pod.gpu else {}
    container: dict[str, Any] = {
        # Dagster's own command for the step comes behind it, as arguments.
        "command": ["python", "-m", step_pod.__name__],
        # Tags of a run do not reach its steps: one launched in another environment would be fitted in the instance's.
        "env": [{"name": "GNN_ENV", "value": environment}],
        "resources": {
            "requests": {"cpu": pod.cpu, "memory": pod.memory, **gpu},
            "limits": {"memory": pod.memory, **gpu},
        },
    }
    spec: dict[str, Any] = {
        # A step has no business with the API server.
        "automount_service_account_token": False,
        "node_selector": dict(pod.node_selector),
        "tolerations": [
            {"key": t.key, "operator": t.operator, "effect": t.effect} | ({"value": t.value} if t.value else {})
            for t in pod.tolerations
        ],
    }
    if pod.image:
        container["image"] = pod.image
    if pod.service_account:
        spec["service_account_name"] = pod.service_account
    if pod.scratch_claim:
        container["volume_mounts"] = [{"name": SCRATCH, "mount_path": scratch}]
        spec["volumes"] = [{"name": SCRATCH, "persistent_volume_claim": {"claim_name": pod.scratch_claim}}]
    return {
        "container_config": container,
        "pod_spec_config": spec,
        "job_spec_config": {
            "backoff_limit": 0,
            "active_deadline_seconds": pod.deadline_s,
            "ttl_seconds_after_finished": settings.finished_jobs_kept_s,
        },
    }

"""Settings of the cluster: which steps run in pods of which size.

What belongs here: shapes, units and limits of what a pod asks for. What does not: Kubernetes objects (gnn_assets
renders them), and how Dagster itself is installed (deploy/).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from gnn_core.config.checks import at_least, one_of
from gnn_core.errors import ConfigError

DEFAULT_POD = "default"
"""The pod of every step that `kubernetes.steps` does not name."""
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_CPU = re.compile(r"[0-9]+m|[0-9]+(\.[0-9]+)?")
_MEMORY = re.compile(r"[1-9][0-9]*(Ki|Mi|Gi|Ti)")


@dataclass(frozen=True)
class TolerationSettings:
    """A taint that a pod may be placed in spite of."""

    key: str
    operator: str
    value: str | None
    effect: str

    def __post_init__(self) -> None:
        one_of(self, "operator", ("Exists", "Equal"))
        one_of(self, "effect", ("NoSchedule", "PreferNoSchedule", "NoExecute"))
        if (self.operator == "Exists") != (self.value is None):
            raise ConfigError(
                f"kubernetes: toleration of {self.key}: operator Exists takes no value (null), Equal needs one"
            )


@dataclass(frozen=True)
class PodSettings:
    """What a step's pod asks for."""

    cpu: str
    """Requested cores, such as `2` or `500m`. No limit: a core that nobody else wants is free."""
    memory: str
    """Requested and allowed bytes, such as `8Gi`: a step that grows is ended itself, never its neighbours."""
    gpu: int
    """Whole devices, `nvidia.com/gpu`."""
    deadline_s: int
    """The Job is ended after so many seconds, waiting for a node included."""
    service_account: str | None
    """Identity of the pod; null = kubernetes.step_service_account."""
    image: str | None
    """Image of the pod; null = kubernetes.image."""
    scratch_claim: str | None
    """PersistentVolumeClaim for what a killed step resumes from; null = it starts anew in its next pod."""
    node_selector: dict[str, str]
    tolerations: tuple[TolerationSettings, ...]


@dataclass(frozen=True)
class KubernetesSettings:
    """Where steps run: in the process of their run, or each in a pod of its own."""

    SECTION: ClassVar[str] = "kubernetes"

    steps_in_pods: bool
    namespace: str
    image: str | None
    """Image of the step pods; null = that of their run."""
    step_service_account: str
    max_concurrent_steps: int
    """Pods of one run at a time."""
    step_retries: int
    """How often a step is tried again after its pod was lost or it failed."""
    step_retry_delay_s: float
    """Before the first new try, in seconds; doubled before each further one."""
    finished_jobs_kept_s: int
    """How long a finished Job and the log of its pod stay, in seconds."""
    pods: dict[str, PodSettings]
    """Kinds of pods by name; `default` is for every step that is not named in `steps`."""
    steps: dict[str, str]
    """Step (asset or check) → kind of pod."""

    def __post_init__(self) -> None:
        at_least(self, "max_concurrent_steps", 1)
        at_least(self, "step_retries", 0)
        at_least(self, "step_retry_delay_s", 0)
        at_least(self, "finished_jobs_kept_s", 3600)  # the run asks after its steps' Jobs for as long as it goes on
        for name in ("namespace", "step_service_account"):
            _name(f"kubernetes.{name}", getattr(self, name))
        if DEFAULT_POD not in self.pods:
            raise ConfigError(f"kubernetes.pods has no {DEFAULT_POD!r}, the kind for steps that are not named")
        for kind, pod in self.pods.items():
            _check_pod(f"kubernetes.pods.{kind}", pod)
        if self.pods[DEFAULT_POD].gpu:
            raise ConfigError(
                f"kubernetes.pods.{DEFAULT_POD}.gpu must be 0: a GPU is asked for by name, never by default"
            )
        for step, kind in self.steps.items():
            if kind not in self.pods:
                raise ConfigError(
                    f"kubernetes.steps.{step} is {kind!r}; kubernetes.pods has {', '.join(sorted(self.pods))}"
                )

    def pod_of(self, step: str) -> PodSettings:
        """What the pod of a step asks for."""
        return self.pods[self.steps.get(step, DEFAULT_POD)]


def _check_pod(key: str, pod: PodSettings) -> None:
    if not _CPU.fullmatch(pod.cpu) or not float(pod.cpu.rstrip("m")):
        raise ConfigError(f"{key}.cpu is {pod.cpu!r}; write cores above zero such as '2', '0.5' or '500m'")
    if not _MEMORY.fullmatch(pod.memory):
        raise ConfigError(f"{key}.memory is {pod.memory!r}; write bytes such as '512Mi' or '8Gi'")
    if pod.gpu < 0:
        raise ConfigError(f"{key}.gpu is {pod.gpu}; it must be 0 or more whole devices")
    if pod.deadline_s < 60:
        raise ConfigError(f"{key}.deadline_s is {pod.deadline_s}; a pod needs at least 60 seconds to come up")
    for name in ("service_account", "scratch_claim"):
        if (value := getattr(pod, name)) is not None:
            _name(f"{key}.{name}", value)


def _name(key: str, value: str) -> None:
    if not _NAME.fullmatch(value):
        raise ConfigError(f"{key} is {value!r}; Kubernetes takes small letters, digits and '-', at most 63")

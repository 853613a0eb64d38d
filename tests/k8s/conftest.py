"""A cluster, the platform in it, and a week published there; skipped with the reason where there is no cluster.

KUBECONFIG         the cluster; whoever it names may make namespaces and change nodes
GNN_K8S_IMAGE      image of the project with its development dependencies, on the nodes already (default: gnn:dev)
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import kubernetes
import pytest

from tests.k8s.cluster import Namespace, fresh_namespace, wait_for
from tests.k8s.raising import ACCELERATOR, raise_stack
from tests.k8s.stack import Stack


def _missing() -> str | None:
    if not os.environ.get("KUBECONFIG"):
        return "KUBECONFIG names no cluster"
    try:
        version = kubernetes.client.VersionApi(kubernetes.config.new_client_from_config()).get_code()
    except Exception as error:  # whatever is wrong with the file or the server is the reason that is told
        return f"the cluster of KUBECONFIG does not answer: {type(error).__name__}: {str(error)[:300]}"
    return None if version.major else "the cluster of KUBECONFIG says no version"


@pytest.fixture(scope="session")
def space() -> Iterator[Namespace]:
    """An empty namespace; skips with a reason where there is no cluster, and fails instead where CI=true."""
    reason = _missing()
    if reason:
        if os.environ.get("CI") == "true":
            pytest.fail(f"{reason}; CI must run these tests, or leave the tier out by name")
        pytest.skip(reason)
    with fresh_namespace(os.environ.get("GNN_K8S_IMAGE") or "docker.io/library/gnn:dev") as made:
        yield made


@pytest.fixture(scope="session")
def stack(space: Namespace) -> Stack:
    """The platform in the namespace, on a simulated store, with nothing published and no GPU in the cluster."""
    space.gpus(0, ACCELERATOR)
    return raise_stack(space)


@dataclass(frozen=True)
class Weekly:
    """What was seen of the first weekly run."""

    run: str
    status: str
    waited_for: str
    """Why the training's pod was not placed before there was a GPU."""
    pods: list[Any]
    """Every pod of the run, steps and the run's own, as they were at its end."""
    published: dict[str, Any] | None
    """What the live table held then."""


@pytest.fixture(scope="session")
def weekly(stack: Stack) -> Weekly:
    """The weekly job from raw tables to the published table, with a GPU that comes only when it is asked for."""
    run = stack.launch("weekly")

    def waiting() -> str | None:
        if stack.status(run) == "FAILURE":
            raise AssertionError(f"the run failed before its training:\n{stack.story(run)}")
        for pod in stack.step_pods(run, "gnn_checkpoint"):
            for condition in pod.status.conditions or ():
                if pod.status.phase == "Pending" and condition.reason == "Unschedulable":
                    return str(condition.message)
        return None

    waited_for = wait_for("the training's pod to wait for a GPU", waiting, 900, every=3)
    stack.space.gpus(1, ACCELERATOR)
    status = stack.end_of(run, 1200)
    pods = wait_for("the end of the run's pods", lambda: ended(stack.space.pods(f"dagster/run-id={run}")), 120)
    return Weekly(run, status, waited_for, pods, stack.published())


def ended(pods: list[Any]) -> list[Any] | None:
    """The pods once none works any more: a run says how it went a moment before its own pod is over."""
    return None if any(p.status.phase in ("Pending", "Running") for p in pods) else pods

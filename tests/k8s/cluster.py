"""A namespace of a cluster that a test may do anything in.

What belongs here: making Kubernetes objects, waiting for pods, running a command in one, and pretending that nodes have
GPUs. What does not: which objects the platform needs (stack.py), or what should become of them (each test).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import kubernetes
from kubernetes.client.exceptions import ApiException
from kubernetes.stream import stream

GPU = "nvidia.com/gpu"
T = TypeVar("T")


def wait_for(what: str, look: Callable[[], T | None], seconds: float, every: float = 1.0) -> T:
    """What `look` returns once it is neither None nor false; the last error it met is part of the complaint."""
    deadline, error = time.monotonic() + seconds, None
    while True:
        try:
            if found := look():
                return found
        except (ApiException, RuntimeError) as met:
            error = met
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds:g} s in vain for {what}" + (f"; {error}" if error else ""))
        time.sleep(every)


@dataclass(frozen=True)
class Namespace:
    """A namespace and the right to do anything in it and with its nodes."""

    name: str
    image: str

    @property
    def api(self) -> kubernetes.client.ApiClient:
        """A client of its own: `stream` changes the one it works with."""
        return kubernetes.config.new_client_from_config()

    @property
    def core(self) -> kubernetes.client.CoreV1Api:
        """Pods, config maps, nodes."""
        return kubernetes.client.CoreV1Api(self.api)

    @property
    def rbac(self) -> kubernetes.client.RbacAuthorizationV1Api:
        """Roles and bindings."""
        return kubernetes.client.RbacAuthorizationV1Api(self.api)

    def create(self, document: dict[str, Any]) -> None:
        """Create an object from a manifest, in this namespace whatever the manifest says."""
        document = json.loads(json.dumps(document))
        if document["kind"] == "Namespace":
            document["metadata"]["name"] = self.name
        elif document["kind"] != "PersistentVolume":
            document["metadata"]["namespace"] = self.name
        for subject in document.get("subjects", ()):
            subject["namespace"] = self.name
        kubernetes.utils.create_from_dict(self.api, document)

    def config_map(self, name: str, **files: str) -> None:
        """A config map of files; `_` in a name stands for `.`."""
        data = {key.replace("__", "."): text for key, text in files.items()}
        self.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data})

    def pods(self, selector: str = "") -> list[Any]:
        """Pods with these labels."""
        return list(self.core.list_namespaced_pod(self.name, label_selector=selector).items)

    def lose(self, pod: Any, notice: int | None) -> None:
        """Delete a pod, with so many seconds to end in (None = as long as it asks for), and wait until it is gone."""
        name = pod.metadata.name
        self.core.delete_namespaced_pod(name, self.name, grace_period_seconds=notice)

        def gone() -> bool:
            return all(p.metadata.uid != pod.metadata.uid for p in self.pods())

        wait_for(f"the end of pod {name}", gone, 60)

    def ready(self, name: str, seconds: float = 240) -> str:
        """Wait until a pod is ready; its address."""

        def look() -> str | None:
            pod = self.core.read_namespaced_pod(name, self.name)
            ended = [c for c in pod.status.container_statuses or () if c.state.terminated]
            if ended:
                raise AssertionError(f"{name}/{ended[0].name} ended:\n{self.log(name, ended[0].name)}")
            conditions = {c.type: c.status for c in pod.status.conditions or ()}
            return pod.status.pod_ip if conditions.get("Ready") == "True" else None

        return wait_for(f"pod {name}", look, seconds)

    def log(self, name: str, container: str | None = None, lines: int = 60) -> str:
        """The last lines that a container wrote."""
        answer = self.core.read_namespaced_pod_log(
            name, self.name, container=container, tail_lines=lines, _preload_content=False
        )
        return str(answer.data.decode(errors="replace"))

    def execute(self, pod: str, container: str, *command: str, seconds: float = 300) -> str:
        """Run a command in a container; its output.

        Raises:
            RuntimeError: it ended with another status than 0.
        """
        talk = stream(
            self.core.connect_get_namespaced_pod_exec, pod, self.name, container=container, command=list(command),
            stderr=True, stdin=False, stdout=True, tty=False, _preload_content=False,
        )  # fmt: skip
        talk.run_forever(timeout=seconds)
        out, err = talk.read_stdout() or "", talk.read_stderr() or ""
        if talk.returncode != 0:
            raise RuntimeError(f"{' '.join(command)[:200]} ended with {talk.returncode}:\n{out[-3000:]}{err[-3000:]}")
        return out

    def may(self, account: str, verb: str, resource: str) -> bool:
        """Whether a service account may do it here, says the API server."""
        group, _, kind = resource.rpartition("/") if resource.startswith("batch/") else ("", "", resource)
        kind, _, sub = kind.partition("/")
        asked = {"namespace": self.name, "verb": verb, "resource": kind, "group": group}
        review = kubernetes.client.V1SubjectAccessReview(
            spec={
                "user": f"system:serviceaccount:{self.name}:{account}",
                "groups": ["system:serviceaccounts", f"system:serviceaccounts:{self.name}", "system:authenticated"],
                "resourceAttributes": {**asked, "subresource": sub} if sub else asked,
            }
        )
        answer = kubernetes.client.AuthorizationV1Api(self.api).create_subject_access_review(review)
        return bool(answer.status.allowed)

    def gpus(self, count: int, label: tuple[str, str]) -> None:
        """Let every node say that it has so many GPUs of a kind; no device is behind them."""
        for node in self.core.list_node().items:
            self.core.patch_node(node.metadata.name, {"metadata": {"labels": dict([label])}})
            amounts = {GPU: str(count)}
            self.core.patch_node_status(node.metadata.name, {"status": {"capacity": amounts, "allocatable": amounts}})


@contextmanager
def fresh_namespace(image: str) -> Iterator[Namespace]:
    """A namespace that is gone afterwards, with all that was in it."""
    space = Namespace(f"gnn-test-{int(time.time()):x}", image)
    try:
        yield space
    finally:
        try:
            space.core.delete_namespace(space.name, grace_period_seconds=0)
            space.core.delete_persistent_volume(space.name)
        except ApiException as error:
            if error.status != 404:
                raise

"""The platform in a namespace, asked and told what to do through its web server, as its users would.

What belongs here: launching, looking, standing still. What does not: how the platform gets there (raising.py),
Kubernetes as such (cluster.py), or what should come out (each test).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.k8s.cluster import Namespace, wait_for

WEEK = "2026-02-23"
SHARDED = "recommendation_candidates"
"""Made by several steps."""
ENDED = ("SUCCESS", "FAILURE", "CANCELED")

ASK = """
import json, sys, urllib.request
kind = {"Content-Type": "application/json"}
asked = urllib.request.Request("http://127.0.0.1:3000/graphql", sys.argv[1].encode(), kind)
print(urllib.request.urlopen(asked, timeout=60).read().decode())
"""
LAUNCH = """mutation($p: ExecutionParams!) { launchRun(executionParams: $p) { __typename
  ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } ... on InvalidSubsetError { message }
  ... on RunConfigValidationInvalid { errors { message } } } }"""
EVENTS = """query($run: ID!, $after: String) { logsForRun(runId: $run, afterCursor: $after) { __typename
  ... on EventConnection { cursor hasMore events { __typename
    ... on MessageEvent { message stepKey eventType } ... on ErrorEvent { error { message } } } } } }"""


@dataclass(frozen=True)
class Stack:
    """The platform in a namespace."""

    space: Namespace

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        """A GraphQL query to the web server, from within its pod."""
        body = json.dumps({"query": query, "variables": variables})
        answer = json.loads(self.space.execute("dagster-web", "web", "python", "-c", ASK, body))
        if answer.get("errors"):
            raise RuntimeError(str(answer["errors"])[:2000])
        return dict(answer["data"])

    def gnn(self, *arguments: str) -> str:
        """The command, in the web server's pod."""
        return self.space.execute("dagster-web", "web", "gnn", *arguments, seconds=600)

    def published(self) -> dict[str, Any] | None:
        """What the live table holds."""
        found = self.gnn("status", "--json")
        return json.loads(found[found.index("{") :])["published"]

    def launch(self, job: str, *, assets: tuple[str, ...] = (), environment: str | None = None) -> str:
        """Put a run of a week into the queue; its id."""
        selector: dict[str, Any] = {"repositoryLocationName": "gnn", "repositoryName": "__repository__", "jobName": job}
        if assets:
            selector |= {"assetSelection": [{"path": [a]} for a in assets], "assetCheckSelection": []}
        tags = {"dagster/partition": WEEK}
        if environment:
            pod = {"container_config": {"env": [{"name": "GNN_ENV", "value": environment}]}}
            tags["dagster-k8s/config"] = json.dumps(pod)
        wanted = {
            "selector": selector,
            "runConfigData": {},
            "mode": "default",
            "executionMetadata": {"tags": [{"key": k, "value": v} for k, v in tags.items()]},
        }
        answer = self.ask(LAUNCH, p=wanted)["launchRun"]
        assert answer["__typename"] == "LaunchRunSuccess", answer
        return str(answer["run"]["runId"])

    def status(self, run: str) -> str:
        """Dagster's word on a run."""
        found = self.ask("query($r: ID!) { runOrError(runId: $r) { ... on Run { status } } }", r=run)
        return str(found["runOrError"]["status"])

    def end_of(self, run: str, seconds: float) -> str:
        """Wait until a run has ended; how."""

        def look() -> str | None:
            status = self.status(run)
            return status if status in ENDED else None

        try:
            return wait_for(f"the end of run {run}", look, seconds, every=3)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.story(run)}") from error

    def events(self, run: str) -> list[dict[str, Any]]:
        """Everything that was logged about a run."""
        events: list[dict[str, Any]] = []
        cursor = None
        while True:
            page = self.ask(EVENTS, run=run, after=cursor)["logsForRun"]
            events += page["events"]
            if not page["hasMore"]:
                return events
            cursor = page["cursor"]

    def story(self, run: str) -> str:
        """The run's messages and errors, for a person."""
        lines = []
        for event in self.events(run):
            error = (event.get("error") or {}).get("message") or ""
            lines.append(f"{event['eventType']} {event['stepKey'] or ''} {event['message'][:300]} {error[:1500]}")
        return "\n".join(lines[-80:])

    def begun(self, run: str, step: str) -> Any | None:
        """The pod of a step that has begun to work; None before that."""
        began = [e for e in self.events(run) if e["eventType"] == "STEP_START" and e["stepKey"] == step]
        working = [p for p in self.step_pods(run, step) if p.status.phase == "Running"]
        return working[-1] if began and working else None

    @contextmanager
    def stands_still(self, outside: str) -> Iterator[None]:
        """`bigquery` or `postgres` answers nobody for a while, so that a step which asks stays in its middle, and a
        process that ends has nobody to tell.
        """
        self._signal(outside, "STOP")
        try:
            yield
        finally:
            self._signal(outside, "CONT")

    def _signal(self, outside: str, name: str) -> None:
        # Not the shell that started them: nothing within a container can stop its first process.
        whom = {"bigquery": ("-P", "1"), "postgres": ("-x", "postgres")}[outside]
        self.space.execute("outside", outside, "pkill", f"-{name}", *whom)

    def step_pods(self, run: str, step: str) -> list[Any]:
        """Pods of the tries of a step, oldest first."""
        found = self.space.pods(f"dagster/run-id={run},dagster/op={step}")
        return sorted(found, key=lambda p: p.metadata.creation_timestamp)

    def run_pods(self, run: str) -> list[Any]:
        """The pod that a run itself has."""
        return self.space.pods(f"dagster/run-id={run},app.kubernetes.io/component=run_worker")

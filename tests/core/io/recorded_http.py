"""A transport for Google's own BigQuery client that records requests and answers from a script.

What belongs here: the session that the client speaks through, and BigQuery's way of refusing a job id that it has seen.
What does not: any decision of ours. Nothing leaves the process.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import requests
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery


@dataclass
class Sent:
    """One request as it would have gone out."""

    method: str
    url: str
    body: Any


@dataclass
class Service:
    """What stands in for bigquery.googleapis.com: jobs by id; a fault to raise or answer before or after a job is made.

    `faults` are taken in order by requests that insert a job: None = answer properly; an exception = raised after the
    job was made (the answer is lost); an int = that HTTP status instead of making the job.
    """

    faults: list[Any] = field(default_factory=list)
    outcomes: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Error results by job id suffix such as `-0`."""
    sent: list[Sent] = field(default_factory=list)
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    table: Callable[[], dict[str, Any] | None] = lambda: None
    uploads: dict[str, dict[str, Any]] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    is_mtls = False

    def client(self) -> bigquery.Client:
        """The official client on this transport."""
        return bigquery.Client(project="test-project", credentials=AnonymousCredentials(), _http=self)

    @property
    def ran(self) -> list[str]:
        """Ids of the jobs that were made, in order."""
        return list(self.jobs)

    def request(self, method: str, url: str, data: Any = None, **_: Any) -> requests.Response:
        """What requests.Session does."""
        made = self._answer(method, url, data)
        made.request = requests.Request(method, url).prepare()
        return made

    def _answer(self, method: str, url: str, data: Any) -> requests.Response:
        if hasattr(data, "read"):
            data = data.read()
        upload = "/upload/" in url
        body = json.loads(data) if data and not (upload and method == "PUT") else data
        self.sent.append(Sent(method, url, body))
        if upload and method == "POST":
            address = f"https://bigquery.googleapis.com/upload/session/{len(self.uploads)}"
            self.uploads[address] = body
            return answer(200, {}, {"location": address})
        if upload and method == "PUT":
            return self._insert(self.uploads[url])
        if method == "POST" and url.split("?")[0].endswith("/jobs"):
            return self._insert(body)
        path = url.split("?")[0]
        if "/jobs/" in path or "/queries/" in path:
            job = self.jobs.get(path.rsplit("/", 1)[1])
            return answer(200, job) if job else answer(404, error("notFound"))
        if "/tables/" in path:
            found = self.table()
            return answer(200, found) if found else answer(404, error("notFound"))
        raise AssertionError(f"nothing answers {method} {url}")

    def _insert(self, job: dict[str, Any]) -> requests.Response:
        fault = self.faults.pop(0) if self.faults else None
        if isinstance(fault, int):
            return answer(fault, error("backendError"))
        name = job["jobReference"]["jobId"]
        if name in self.jobs:
            return answer(409, error("duplicate"))
        failed = next((e for suffix, e in self.outcomes.items() if name.endswith(suffix)), None)
        status = {"state": "DONE", **({"errorResult": failed, "errors": [failed]} if failed else {})}
        self.jobs[name] = {**job, "status": status, "statistics": {"query": {"totalBytesProcessed": "1048576"}}}
        if isinstance(fault, Exception):
            raise fault
        return answer(200, self.jobs[name])


def error(reason: str) -> dict[str, Any]:
    """The body of a refusal."""
    return {"error": {"message": reason, "errors": [{"reason": reason, "message": reason}]}}


def answer(status: int, body: Any, headers: dict[str, str] | None = None) -> requests.Response:
    """A response."""
    made = requests.Response()
    made.status_code = status
    made._content = json.dumps(body).encode()
    made.headers.update({"content-type": "application/json", **(headers or {})})
    return made

"""Loads and copies that do not run twice: their job ids, and what is done when an answer is lost or a job fails.

What belongs here: ids and repetition. What does not: what a job does (bigquery.py). BigQuery refuses a job id that it
has seen, for whoever sends it; so a request whose answer was lost is sent again under its old id, and where BigQuery
says that it has it, that job is waited for. A job that failed has changed nothing and is repeated under a new id.
"""

from __future__ import annotations

import hashlib
import logging
import re
import time
import uuid
from collections.abc import Callable
from typing import Any

import requests
from google.api_core.exceptions import Conflict, GoogleAPICallError, RetryError, ServerError, TooManyRequests
from google.cloud import bigquery

from gnn_core.config.data import WarehouseSettings

log = logging.getLogger(__name__)

LOST = (requests.ConnectionError, requests.Timeout, ServerError, TooManyRequests, RetryError)
"""The request may have arrived or not."""
PASSING = frozenset({"backendError", "internalError", "jobBackendError", "jobInternalError", "rateLimitExceeded"})
"""Reasons of a failed job that BigQuery's documentation says to repeat."""
WAITS_S = (1.0, 4.0, 16.0)
"""Between attempts. What lasts longer is an outage: the step's own retry policy, or a person, takes over."""


def fresh_job_id(label: str) -> str:
    """An id for a request that nobody else will ever send."""
    return f"gnn-{_slug(label)}-{uuid.uuid4().hex}"


def derived_job_id(label: str, table: bigquery.Table | None, request: str) -> str:
    """An id that a later process derives again for the same request to the same table.

    A table that was dropped and made again is another table: its rows went with it.
    """
    made = table.created.isoformat() if table is not None and table.created is not None else "not yet"
    return f"gnn-{_slug(label)}-{hashlib.sha256(f'{label} {made} {request}'.encode()).hexdigest()[:32]}"


def run_once(
    client: bigquery.Client,
    job_id: str,
    settings: WarehouseSettings,
    begin: Callable[[str], Any],
    finish: Callable[[Any], Any],
) -> Any:
    """Begin a job under `job_id` and wait for it; the finished job.

    Args:
        begin: sends the request under the id that it is given; it may be called again.
        finish: waits, and raises what the job ended with.
    Raises:
        GoogleAPICallError: the job failed for a reason that does not pass, or passing ones outlasted every attempt.
    """
    attempt, waits = 0, list(WAITS_S)
    while True:
        job, ours = _begun(client, f"{job_id}-{attempt}", settings, begin)
        try:
            finish(job)
        except GoogleAPICallError:
            reason = str((job.error_result or {}).get("reason"))
            if ours and (reason not in PASSING or not waits):
                raise
            # An earlier process may have failed under this id for a reason that has gone since: the next id is free.
            log.warning("job %s failed (%s); it changed nothing and is repeated", job.job_id, reason)
            attempt += 1
            if ours:
                time.sleep(waits.pop(0))
        else:
            return job


def _begun(
    client: bigquery.Client, job_id: str, settings: WarehouseSettings, begin: Callable[[str], Any]
) -> tuple[Any, bool]:
    """The job of this id, and whether it was this call that began it."""
    sent = False
    for wait in (*WAITS_S, None):
        try:
            return begin(job_id), True
        except Conflict:
            log.warning("job %s is known to BigQuery already: waiting for it instead of running it twice", job_id)
            return client.get_job(job_id, location=settings.location), sent
        except LOST as error:
            if wait is None:
                raise
            sent = True
            log.warning("job %s: no answer (%s); sending it again under the same id", job_id, error)
            time.sleep(wait)
    raise AssertionError("the last attempt returns or raises")


def _slug(label: str) -> str:
    return re.sub(r"[^A-Za-z0-9_]+", "-", label)[:200].strip("-")

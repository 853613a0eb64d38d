"""Dagster's web server and daemon as child processes of a test, on a free port, ended by their ids.

What belongs here: starting, waiting, ending. Not `dagster dev`: what it starts outlives it.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gnn_assets.cli.weekly import prepare_dagster_home
from gnn_assets.environment import PROJECT
from tests.fixtures.installation import Installation

READY_S, END_S = 180.0, 20.0


@contextmanager
def dagster(store: Installation, logs: Path) -> Iterator[str]:
    """Web server and daemon on an installation; yields the server's address."""
    prepare_dagster_home(store.environment)
    logs.mkdir(parents=True, exist_ok=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    address = f"http://127.0.0.1:{port}"
    workspace = ["--workspace", str(PROJECT / "workspace.yaml")]
    server = ["dagster_webserver", "--host", "127.0.0.1", "--port", str(port), *workspace]
    children = []
    try:
        children.append(_start(server, store, logs / "server.log"))
        children.append(_start(["dagster._daemon", "run", *workspace], store, logs / "daemon.log"))
        _wait(f"{address}/server_info", children, logs)
        yield address
    finally:
        _end(children)


def _start(module: list[str], store: Installation, log: Path) -> subprocess.Popen[bytes]:
    """A child that leads a session of its own, so that what it starts can be found and ended with it."""
    environment = {**os.environ, **store.variables, "PYTHONWARNINGS": "ignore"}
    with log.open("wb") as output:
        return subprocess.Popen(
            [sys.executable, "-m", *module],
            cwd=PROJECT,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _wait(address: str, children: list[subprocess.Popen[bytes]], logs: Path) -> None:
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline:
        for child in children:
            if child.poll() is not None:
                said = "\n".join(log.read_text()[-2000:] for log in sorted(logs.iterdir()))
                raise RuntimeError(f"{child.args} ended with {child.returncode}:\n{said}")
        try:
            with urllib.request.urlopen(address, timeout=5) as answer:
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(0.5)
    raise RuntimeError(f"{address} does not answer after {READY_S:g} s; logs are in {logs}")


def _end(children: list[subprocess.Popen[bytes]]) -> None:
    """Interrupt each child, which ends its own; then end whatever is left of its session."""
    for child in reversed(children):
        child.send_signal(signal.SIGINT)
    for child in reversed(children):
        try:
            child.wait(END_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait(END_S)
        for left in _session(child.pid):
            os.kill(left, signal.SIGKILL)


def _session(leader: int) -> list[int]:
    """Processes that still belong to the session of a child; field 6 of /proc/PID/stat names it."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[3]) == leader:
                found.append(int(entry.name))
    return found

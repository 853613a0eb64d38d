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
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from dagster import DagsterInstance

from gnn_assets.cli.weekly import prepare_dagster_home
from gnn_assets.environment import PROJECT
from tests.fixtures.installation import Installation

READY_S, END_S = 180.0, 20.0


@contextmanager
def dagster(store: Installation, logs: Path) -> Iterator[str]:
    """Web server and daemon on an installation; yields the server's address."""
    prepare_dagster_home(store.environment)
    with DagsterInstance.from_config(str(store.environment.dagster_home)) as instance:
        # Made here, once: two processes that both find no tables both create them, and one of them dies of it.
        assert all((instance.run_storage, instance.event_log_storage, instance.schedule_storage))
    port = free_port()
    workspace = ["--workspace", str(PROJECT / "workspace.yaml")]
    server = ["dagster_webserver", "--host", "127.0.0.1", "--port", str(port), *workspace]
    modules = {"server": server, "daemon": ["dagster._daemon", "run", *workspace]}
    commands = {name: [sys.executable, "-m", *module] for name, module in modules.items()}
    with running(commands, store.variables, port, logs) as address:
        yield address


@contextmanager
def running(commands: Mapping[str, list[str]], variables: Mapping[str, str], port: int, logs: Path) -> Iterator[str]:
    """Commands as children, one of which answers on `port` before the block begins; ended after it."""
    logs.mkdir(parents=True, exist_ok=True)
    address, children = f"http://127.0.0.1:{port}", []
    try:
        for name, command in commands.items():
            children.append(_start(command, variables, logs / f"{name}.log"))
        _wait(f"{address}/server_info", children, logs)
        yield address
    finally:
        _end(children)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _start(command: list[str], variables: Mapping[str, str], log: Path) -> subprocess.Popen[bytes]:
    """A child that leads a session of its own, so that what it starts can be found and ended with it."""
    with log.open("wb") as output:
        return subprocess.Popen(
            command,
            cwd=PROJECT,
            env={**os.environ, "PYTHONWARNINGS": "ignore", **variables},
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
    """Interrupt each child, which ends its own; then end, by its id, whatever of its family is left."""
    families = [_family(child.pid) for child in children]
    for child in reversed(children):
        child.send_signal(signal.SIGINT)
    for child in reversed(children):
        try:
            child.wait(END_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait(END_S)
    for member in set().union(*families):
        if _stat(member) is not None:
            os.kill(member, signal.SIGKILL)


def _family(pid: int) -> set[int]:
    """Descendants of a process, and the rest of its session."""
    everyone = {int(entry.name): _stat(int(entry.name)) for entry in Path("/proc").iterdir() if entry.name.isdigit()}
    found = {pid}
    while True:
        more = {p for p, of in everyone.items() if of is not None and (of[0] in found or of[1] == pid)} - found
        if not more:
            return found - {pid}
        found |= more


def _stat(pid: int) -> tuple[int, int] | None:
    """Parent and session of a process; None when it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else (int(fields[1]), int(fields[3]))

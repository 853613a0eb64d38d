"""One step's training in several processes: start them, pass on what they say, and say clearly when one is lost.

What belongs here: the parent's side of `torchrun`. What does not: what the processes do (torchrun_worker.py), how they
stay one model (gnn_core/training/distributed.py).

Workers speak in lines (worker_lines.py). Training steps are for the bar of the command line, all others go to the log
of the step as they are. The artifact goes through the store: nothing of a model passes through the pipe.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from gnn_assets import progress, worker_lines
from gnn_assets.environment import PROJECT
from gnn_assets.resources import Platform, Week
from gnn_core.errors import ProcessLostError
from gnn_core.io.artifacts import Artifact

WORKER = "gnn_assets.torchrun_worker"
SHOWN_STEPS = 10
"""Of a training, this many steps are written to the log; the bar of the command line gets all of them."""
LAST_LINES = 20
_TORCHRUN = re.compile(r"^[EWI]\d{4} |^W?=+$|^-+$")
"""Lines of torchrun itself: repeated for every process, and about its own code."""
_ENDED = re.compile(r"failed \(exitcode: (-?\d+)\) local_rank: (\d+)")
_PATIENCE_S = 45
"""How long the processes may take to end after they were asked to; torchrun itself gives its workers 30 s."""


def fit(platform: Platform, week: Week, name: str, say: Callable[[str], None]) -> Artifact:
    """Fit the models of `gnn_checkpoint` or `promoted_model`: in this process, or in `training.processes` of them.

    Args:
        say: takes a line for the step's log.
    Raises:
        ProcessLostError: a process failed or was lost; no artifact was written, and a saved state is kept.
    """
    if week.settings.training.processes == 1:
        from gnn_assets import fitting  # brings torch, which the parent of several processes does not need

        return fitting.alone(week, name)
    return together(platform, week, name, say)


def together(platform: Platform, week: Week, name: str, say: Callable[[str], None]) -> Artifact:
    """Fit in several processes of this machine; see `fit`."""
    n = week.settings.training.processes
    last: deque[str] = deque(maxlen=LAST_LINES)
    ended: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "version"
        with _started(_command(platform, week, name, n, answer), week.settings.training.threads) as process:
            assert process.stdout is not None
            for line in map(str.rstrip, process.stdout):
                if step := worker_lines.step_of(line):
                    _tell_step(*step, say)
                    continue
                ended += [f"process {rank} ended with code {code}" for code, rank in _ENDED.findall(line)]
                # What follows is torchrun's own traceback, which would push the processes' words out.
                if line and not ended and not _TORCHRUN.match(line):
                    last.append(line)
                    say(line)
            code = process.wait()
        if code or not answer.is_file():
            words = "\n  ".join([*ended, *last]) or "they said nothing"
            raise ProcessLostError(
                f"{week.key}/{name}: training in {n} processes failed. A code of -9 is a process that was killed, for "
                "want of memory as a rule. No model was written; run the step again, it goes on from the last saved "
                f"state. Their last words:\n  {words}"
            )
        artifact = week.read(name)
        if (written := answer.read_text()) != artifact.version:
            raise ProcessLostError(
                f"{week.key}/{name}: the processes wrote version {written[:12]}…, the store holds "
                f"{artifact.version[:12]}…: another run wrote in between; run the step again"
            )
    return artifact


def _command(platform: Platform, week: Week, name: str, n: int, answer: Path) -> list[str]:
    where = {field: getattr(platform, field) for field in ("environment", "config_dir", "state_dir", "overlay")}
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(n)]
    return [*torchrun, "-m", WORKER, json.dumps(where), week.key, name, str(answer)]


@contextmanager
def _started(command: list[str], threads: int) -> Iterator[subprocess.Popen[str]]:
    """The processes, which do not outlive the block: a step that is stopped takes them along."""
    paths = [str(PROJECT), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {
        "OMP_NUM_THREADS": str(threads), "PYTHONPATH": os.pathsep.join(paths), "PYTHONUNBUFFERED": "1",
    }  # fmt: skip
    process = subprocess.Popen(
        command, env=environment, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(_PATIENCE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _tell_step(what: str, done: int, most: int, loss: float, say: Callable[[str], None]) -> None:
    progress.of(what)(done, most, loss)
    if done == most or done % max(most // SHOWN_STEPS, 1) == 0:
        say(f"training {what}: step {done} of at most {most}, loss {loss:.4f}")

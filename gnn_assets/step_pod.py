"""First process of a step's pod: runs Dagster's command for the step, and ends with a status that says what happened.

`python -m gnn_assets.step_pod dagster api execute_step`. What belongs here: ends of a pod that Dagster by itself would
report wrongly. What does not: the step, or how often it is tried (RetryPolicy).

- A pod that is told to go (a node drained, upgraded or taken back) gets SIGTERM. Dagster's process would record its
  step as failed, which is final. Here that process is killed instead: the step is lost with its pod, and tried again.
- A pod that Kubernetes makes in place of a lost one finds the step started. Dagster's process then ends with status 0
  and without a word, and the run waits for ever. Here the status is another one.
"""

from __future__ import annotations

import base64
import os
import signal
import sys
import zlib
from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Any

ASKED = "DAGSTER_COMPRESSED_EXECUTE_STEP_ARGS"
"""Variable in which dagster-k8s says which step of which run a pod is for."""
SILENT = 70
"""Exit status of a process that ended well and said nothing of its step (EX_SOFTWARE of sysexits.h)."""


def see_through(work: Callable[[], int]) -> int:
    """Do the work in a process of its own, which SIGTERM kills at once; the exit status, 128 + signal when killed."""
    # Between fork and handler the signal waits: a first process of a pod without a handler never gets it.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    child = os.fork()
    if child == 0:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        os._exit(_status_of(work))
    signal.signal(signal.SIGTERM, lambda *_: os.kill(child, signal.SIGKILL))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return code if code >= 0 else 128 - code


def _status_of(work: Callable[[], int]) -> int:
    """A forked process must not return into its parent's code, whatever happens."""
    code: Any = 1
    try:
        code = work()
    except SystemExit as end:
        code = end.code
    except BaseException:
        sys.excepthook(*sys.exc_info())
    sys.stdout.flush()
    sys.stderr.flush()
    return code if isinstance(code, int) else int(code is not None)


def run_step(command: list[str]) -> int:
    """Run a console script of Dagster's in this process; its status, or SILENT where its step has no new end."""
    (script,) = entry_points(group="console_scripts", name=command[0])
    before = ends_so_far()
    sys.argv = command
    try:
        script.load()()
    except SystemExit as end:
        if end.code:
            raise
    if ends_so_far() > before:
        return 0
    print("The step was started by a pod that is gone, or its run is over: nothing was done here.", file=sys.stderr)
    return SILENT


def ends_so_far() -> int:
    """How often the step that this pod is for has ended, in whichever way."""
    import dagster as dg
    from dagster._grpc.types import ExecuteStepArgs  # what dagster-k8s hands to a pod has no public name
    from dagster._serdes import deserialize_value

    asked = deserialize_value(zlib.decompress(base64.b64decode(os.environ[ASKED])).decode(), ExecuteStepArgs)
    told = {
        dg.DagsterEventType.STEP_SUCCESS,
        dg.DagsterEventType.STEP_FAILURE,
        dg.DagsterEventType.STEP_UP_FOR_RETRY,
        dg.DagsterEventType.STEP_SKIPPED,
    }
    assert asked.instance_ref is not None
    assert asked.step_keys_to_execute is not None
    with dg.DagsterInstance.from_ref(asked.instance_ref) as instance:
        events = (entry.dagster_event for entry in instance.all_logs(asked.run_id, of_type=told))
        return sum(event is not None and event.step_key in asked.step_keys_to_execute for event in events)


if __name__ == "__main__":
    sys.exit(see_through(lambda: run_step(sys.argv[1:])))

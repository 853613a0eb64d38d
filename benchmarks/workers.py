"""Worker processes that do not outlive the benchmark that started them.

A pool's worker waits on a queue whose other end it holds itself, so a parent that is killed leaves it running: it works
off what was queued, then waits for ever.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from multiprocessing.connection import wait


def end_with_parent() -> None:
    """To be a pool's `initializer`: the process ends as soon as the one that started it is gone."""
    parent = multiprocessing.parent_process()
    assert parent is not None, "only a process that was started by another can end with it"
    threading.Thread(target=_follow, args=(parent.sentinel,), daemon=True).start()


def _follow(sentinel: int) -> None:
    wait([sentinel])
    # Not sys.exit: that would end this thread alone, and nobody is left to read what a clean-up would say.
    os._exit(1)

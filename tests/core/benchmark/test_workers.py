"""Workers of a benchmark end with it, also when it is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

BENCHMARK = """
import multiprocessing, os, time
from concurrent.futures import ProcessPoolExecutor
from benchmarks.workers import end_with_parent

if __name__ == "__main__":
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), initializer=end_with_parent) as pool:
        print(pool.submit(os.getpid).result(), flush=True)
        pool.submit(time.sleep, 60).result()
"""
WAITED_S = 20.0
"""Far beyond what a process needs to end, far below what its task takes."""


def lives(process: int) -> bool:
    try:
        with open(f"/proc/{process}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not Path("/proc/self/stat").is_file(), reason="whether a process lives is read from /proc")
def test_a_worker_in_the_middle_of_its_task_ends_when_the_benchmark_is_killed(tmp_path):
    script = tmp_path / "benchmark.py"
    script.write_text(BENCHMARK)
    with subprocess.Popen(
        [sys.executable, str(script)], stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": os.getcwd()}
    ) as benchmark:
        assert benchmark.stdout is not None
        worker = int(benchmark.stdout.readline())
        try:
            assert lives(worker)
            benchmark.send_signal(signal.SIGKILL)
            benchmark.wait()
            until = time.monotonic() + WAITED_S
            while lives(worker) and time.monotonic() < until:
                time.sleep(0.05)
            assert not lives(worker)
        finally:
            if lives(worker):
                os.kill(worker, signal.SIGKILL)

"""What a piece of work costs: wall and processor seconds, and the most memory that the process held meanwhile."""

from __future__ import annotations

import resource
import sys
import threading
import time
from pathlib import Path
from types import TracebackType

_STATUS = Path("/proc/self/status")
_EVERY_S = 0.02


class Meter:
    """Measures the time of a `with` block; memory is sampled, since a process's own peak never falls again.

    Where there is no /proc, memory is the process's peak so far, which is an upper bound.
    """

    def __enter__(self) -> Meter:
        self.start_mb = self.peak_mb = resident_mb()
        self._wall, self._cpu = time.perf_counter(), time.process_time()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.seconds, self.cpu_seconds = time.perf_counter() - self._wall, time.process_time() - self._cpu
        self._stop.set()
        self._thread.join()
        self.peak_mb = max(self.peak_mb, resident_mb())

    def _watch(self) -> None:
        while not self._stop.wait(_EVERY_S):
            self.peak_mb = max(self.peak_mb, resident_mb())

    def as_json(self) -> dict[str, float]:
        """`seconds` (wall), `cpu_seconds` (all threads), `start_mb` and `peak_mb` (resident)."""
        return {name: round(getattr(self, name), 3) for name in ("seconds", "cpu_seconds", "start_mb", "peak_mb")}


def resident_mb() -> float:
    """Resident memory of this process in MB (10^6 bytes)."""
    if _STATUS.is_file():
        line = next(text for text in _STATUS.read_text().splitlines() if text.startswith("VmRSS:"))
        return int(line.split()[1]) * 1024 / 1e6
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6

"""Running torch so that the machine does not show in the result.

What belongs here: threads, random state, device. What does not: seeds (settings).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import scipy.linalg  # noqa: F401  (loads scipy's own BLAS, so that it is there to be found below)
import torch
from threadpoolctl import ThreadpoolController

_libraries = ThreadpoolController()
"""What numpy and scipy multiply with; found once, since looking costs more than a small product."""


@contextmanager
def pinned(threads: int, seed: int) -> Iterator[None]:
    """Run with this many threads of torch and of BLAS and with this seed, and leave none of it behind.

    Matrix products split their sums by thread, so a different number of threads rounds differently. Pinning the number
    to a setting, whatever the machine or OMP_NUM_THREADS say, makes runs on one core or two end in the same bytes.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch.random.fork_rng(), _libraries.limit(limits=threads, user_api="blas"):
            torch.manual_seed(seed)
            yield
    finally:
        torch.set_num_threads(before)


def pick_device(wanted: str) -> torch.device:
    """`auto` is CUDA where there is one, else the CPU."""
    if wanted == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(wanted)


def device_name(wanted: str) -> str:
    """What `pick_device` picks, by the name that its maker gave it; `cpu` for a processor."""
    device = pick_device(wanted)
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type

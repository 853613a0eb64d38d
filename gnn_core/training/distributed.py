"""Several processes that train one model together: who does which part of a step, and how they stay one model.

What belongs here: joining a group that `torchrun` started, sums and hand-outs over it, and what a lost process means.
What does not: gradient steps (trainer.py), starting processes (`torchrun` does).

Each step's gradient is the mean over `training.micro_batches` batches, each over its own fold's graph. They are dealt
out to the processes, so that a process encodes only the graphs of its own batches. One process makes the same batches
one after the other, so the number of processes changes the time and not the model.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from gnn_core.errors import ConfigError, ProcessLostError

T = TypeVar("T")


@dataclass(frozen=True)
class Processes:
    """This process among those that train the same model; alone unless a group was joined."""

    rank: int = 0
    size: int = 1

    @property
    def _alone(self) -> bool:
        # A group of one goes through the collectives too: what NCCL refuses shows on a machine with a single GPU.
        return self.size == 1 and not (dist.is_available() and dist.is_initialized())

    @property
    def is_first(self) -> bool:
        """Whether this is the one that validates, reports and writes."""
        return self.rank == 0

    def share(self, n: int) -> range:
        """Which of `n` parts of a step are this process's.

        Raises:
            ConfigError: the parts cannot be dealt out evenly.
        """
        if n % self.size:
            raise ConfigError(
                f"training.micro_batches is {n}, but {self.size} processes train together; "
                f"set it to a multiple of {self.size}, so that each has as many batches as the others"
            )
        return range(self.rank, n, self.size)

    def add_up(self, gradients: Sequence[Tensor], numbers: Mapping[str, float], what: str) -> dict[str, float]:
        """Sum gradients, in place, and named numbers over all processes; every process ends with the same bits.

        Raises:
            ProcessLostError: another process is gone or silent.
        """
        if self._alone:
            return dict(numbers)
        flat = torch.cat([g.reshape(-1) for g in gradients])
        # Counts of a long run do not fit single precision.
        counted = torch.tensor(list(numbers.values()), dtype=torch.float64, device=flat.device)
        with self._watched(what):
            dist.all_reduce(flat)
            dist.all_reduce(counted)
        parts = flat.split([g.numel() for g in gradients])
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.view_as(gradient))
        return dict(zip(numbers, counted.tolist(), strict=True))

    def from_first(self, make: Callable[[], T], what: str) -> T:
        """What `make` gives in the first process, in all of them; the others wait.

        Raises:
            ProcessLostError: the first process is gone or silent.
        """
        if self._alone:
            return make()
        value: list[Any] = [make() if self.is_first else None]
        with self._watched(what):
            dist.broadcast_object_list(value, src=0)
        return value[0]

    def same(self, tensors: Iterable[Tensor], what: str) -> None:
        """Make sure that all processes hold the same bits.

        Raises:
            ProcessLostError: they do not, or one is gone.
        """
        if self._alone:
            return
        digest = hashlib.sha256()
        for tensor in tensors:
            digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
        found: list[Any] = [None] * self.size
        with self._watched(what):
            dist.all_gather_object(found, digest.hexdigest())
        if len(set(found)) > 1:
            odd = [rank for rank, theirs in enumerate(found) if theirs != found[0]]
            raise ProcessLostError(
                f"{what}: process(es) {odd} of {self.size} hold other numbers than process 0. They must read the same "
                "week with the same settings, code, library versions and kind of processor"
            )

    @contextmanager
    def _watched(self, what: str) -> Iterator[None]:
        """Turn the backend's errors into one that says what happened and what to do."""
        try:
            yield
        except (RuntimeError, ValueError) as error:
            reason = str(error).strip().splitlines()
            raise ProcessLostError(
                f"{what}: process {self.rank} of {self.size} lost the others "
                f"({reason[0] if reason else type(error).__name__}). One of them ended, or did not answer in time; its "
                "own log says why. No model was written. Start the run again: it goes on from the last saved state"
            ) from error


def present() -> Processes:
    """The group that this process has joined, or itself alone."""
    if dist.is_available() and dist.is_initialized():
        return Processes(dist.get_rank(), dist.get_world_size())
    return Processes()


@contextmanager
def joined(device: str, local_rank: int, timeout_s: float) -> Iterator[Processes]:
    """Join the group that `torchrun` describes in the environment; leave it at the end.

    NCCL on CUDA, one GPU a process; gloo on the CPU.

    Args:
        device: `training.device`. local_rank: number of this process on its machine.
        timeout_s: how long to wait for another process before it counts as lost.
    Raises:
        ConfigError: the machine has fewer GPUs than processes.
        ProcessLostError: the others do not come.
    """
    on_gpu = device == "cuda" or (device == "auto" and torch.cuda.is_available())
    if on_gpu:
        if local_rank >= torch.cuda.device_count():
            raise ConfigError(
                f"process {local_rank} of this machine has no GPU of its own: there are {torch.cuda.device_count()}. "
                "Start as many processes as there are GPUs, or set training.device to cpu"
            )
        torch.cuda.set_device(local_rank)
    try:
        dist.init_process_group("nccl" if on_gpu else "gloo", timeout=dt.timedelta(seconds=timeout_s))
    except (RuntimeError, ValueError) as error:
        raise ProcessLostError(f"the processes did not find each other within {timeout_s:g} s ({error})") from error
    try:
        yield present()
    finally:
        dist.destroy_process_group()

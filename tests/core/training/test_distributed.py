"""Several processes that train together: the same model as one alone, and a clear end when one of them is lost."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from gnn_core.errors import ConfigError, DivergedError
from gnn_core.training import trainer
from gnn_core.training.checkpoint import Checkpoint, load
from gnn_core.training.distributed import Processes, present
from tests.core.model.worlds import small_settings
from tests.core.training.together import STEPS, trained

ROOT = Path(__file__).parents[3]
WORKER = "tests.core.training.together"


def one_thread() -> dict[str, str]:
    return os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}


def torchrun(n: int) -> list[str]:
    return [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(n), "-m"]


def start_two(folder: Path, kind: str = "none") -> list[subprocess.Popen[str]]:
    """Two processes by hand, so that the message of the one that is left can be read."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    group = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    return [
        subprocess.Popen(
            [sys.executable, "-m", WORKER, str(folder), kind],
            env=one_thread() | group | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in range(2)
    ]


def ended(processes: list[subprocess.Popen[str]], wait_for: int) -> str:
    """What one of them printed; the others are put an end to."""
    try:
        return processes[wait_for].communicate(timeout=240)[0]
    finally:
        for process in processes:
            process.kill()
            process.wait()


def assert_same(one: Checkpoint, other: Checkpoint) -> None:
    assert one.meta["best_step"] == other.meta["best_step"]
    assert one.tensors.keys() == other.tensors.keys()
    for name, tensor in one.tensors.items():
        torch.testing.assert_close(tensor, other.tensors[name], rtol=1e-4, atol=1e-6, msg=name)


# One process


def test_a_process_that_joined_nothing_is_alone_and_first():
    assert present() == Processes(0, 1)
    assert present().is_first


def test_alone_the_sum_over_processes_is_what_was_there():
    gradient = torch.tensor([1.0, 2.0])
    assert Processes().add_up([gradient], {"loss": 0.5}, "a step") == {"loss": 0.5}
    assert gradient.tolist() == [1.0, 2.0]


def test_the_batches_of_a_step_are_dealt_out_once_each():
    dealt = [list(Processes(rank, 3).share(6)) for rank in range(3)]
    assert dealt == [[0, 3], [1, 4], [2, 5]]


def test_batches_that_cannot_be_dealt_out_evenly_are_refused_by_the_settings_name():
    with pytest.raises(ConfigError, match=r"training.micro_batches is 3, but 2 processes .* multiple of 2"):
        Processes(0, 2).share(3)
    with pytest.raises(ConfigError, match=r"training.micro_batches is 1; .* multiple of training.processes, 2"):
        small_settings(training={"processes": 2})


@pytest.mark.slow
def test_a_step_of_two_batches_goes_along_the_mean_of_their_gradients(monkeypatch):
    """Batches are numbered through, so step 1 of two batches has the second and third batch of steps of one."""
    taken: list[torch.Tensor] = []

    def standing(self, *_):
        parameters = [p for group in self.param_groups for p in group["params"] if p.grad is not None]
        taken.append(torch.cat([p.grad.reshape(-1) for p in parameters]))

    monkeypatch.setattr(torch.optim.AdamW, "step", standing)
    trained(micro_batches=1, gradient_clip=1e9)
    _, second, third = taken[:3]
    taken.clear()
    trained(micro_batches=2, gradient_clip=1e9)
    torch.testing.assert_close(taken[0], (second + third) / 2, rtol=1e-4, atol=1e-7)
    assert not torch.allclose(second, third, rtol=0.1, atol=1e-7)


def test_a_loss_that_is_not_finite_in_one_batch_ends_the_step(monkeypatch):
    calls = []

    def sometimes(*args):
        calls.append(1)
        return torch.tensor(float("nan"), requires_grad=True) if len(calls) == 3 else args[0].sum() * 0

    monkeypatch.setattr(trainer, "sampled_softmax", sometimes)
    with pytest.raises(DivergedError, match="training step 1"):
        trained()


# Two processes


@pytest.fixture(scope="module")
def alone():
    return trained()


@pytest.mark.slow
def test_two_processes_of_one_thread_train_what_one_trains_and_only_the_first_writes(tmp_path, alone):
    output = ended(start_two(tmp_path), wait_for=0)
    assert (tmp_path / "losses.json").exists(), output
    losses = json.loads((tmp_path / "losses.json").read_text())
    wanted = [entry["loss"] for entry in alone.history]
    assert len(wanted) > 3
    np.testing.assert_allclose(losses[1:], wanted[1:], rtol=1e-5)
    assert_same(load(tmp_path / "checkpoint.safetensors"), alone.to_checkpoint())
    assert len(list((tmp_path / "rank0").glob("*.safetensors"))) == 1
    assert not (tmp_path / "rank1").exists()


@pytest.mark.slow
def test_torchrun_starts_them(tmp_path, alone):
    done = subprocess.run(
        [*torchrun(2), WORKER, str(tmp_path), "none"],
        env=one_thread(),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr
    assert_same(load(tmp_path / "checkpoint.safetensors"), alone.to_checkpoint())


@pytest.mark.slow
def test_when_one_ends_the_other_says_so_and_a_second_start_goes_on_to_the_same_model(tmp_path, alone):
    processes = start_two(tmp_path, "ends")
    output = ended(processes, wait_for=0)
    assert processes[0].returncode != 0
    assert "ProcessLostError: training step 5: process 0 of 2 lost the others" in output
    assert "Start the run again" in output
    assert not (tmp_path / "checkpoint.safetensors").exists()
    (state,) = (tmp_path / "rank0").glob("*.safetensors")
    assert load(state).meta["step"] == 4 < STEPS
    ended(start_two(tmp_path), wait_for=0)
    assert_same(load(tmp_path / "checkpoint.safetensors"), alone.to_checkpoint())


@pytest.mark.slow
def test_when_one_hangs_the_other_waits_no_longer_than_it_was_told(tmp_path):
    processes = start_two(tmp_path, "hangs")
    output = ended(processes, wait_for=0)
    assert processes[0].returncode != 0
    assert "ProcessLostError: training step 5: process 0 of 2 lost the others" in output


@pytest.mark.slow
def test_processes_that_start_from_other_numbers_are_refused_before_the_first_step(tmp_path):
    output = ended(start_two(tmp_path, "differs"), wait_for=0)
    assert "before training: process(es) [1] of 2 hold other numbers than process 0" in output
    assert not (tmp_path / "rank0").exists()

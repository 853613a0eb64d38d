"""The graph model on a CUDA device: picked by itself, the same model as on the CPU, stored in the same way."""

from __future__ import annotations

import subprocess

import numpy as np
import pytest
import torch

from gnn_core.model.recommender import GraphRecommender
from gnn_core.scoring.audience import build_audience
from gnn_core.training.checkpoint import from_bytes, load, to_bytes
from gnn_core.training.determinism import pick_device
from tests.core.model import fits
from tests.core.model.worlds import share_of_right_pairs, small_settings, two_platforms
from tests.core.training.test_distributed import ROOT, WORKER, one_thread, torchrun

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no CUDA device"),
]
WORLD = two_platforms()
VARIANTS = {name: changes for name, changes in fits.VARIANTS.items() if name != "all ids"}


def fitted(device: str, model: dict | None = None, training: dict | None = None, **options) -> GraphRecommender:
    settings = small_settings({"dropout": 0.0} | (model or {}), {"device": device} | (training or {}))
    recommender = GraphRecommender(settings, **options)
    recommender.fit(WORLD)
    return recommender


def vectors(recommender: GraphRecommender) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Products, users, and the users' scores."""
    audience, _ = build_audience(WORLD, np.arange(len(WORLD.user_ids)))
    recommender.prepare(audience)
    scores = recommender.score_block(0, len(audience))
    return recommender.product_vectors(), recommender.user_vectors(audience), scores


def test_auto_is_the_gpu_and_the_network_lives_there():
    assert pick_device("auto").type == "cuda"
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.max_memory_allocated()
    fitted("auto", max_steps=1)
    assert torch.cuda.max_memory_allocated() > before


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_same_seed_trains_the_same_model_as_on_the_cpu(variant):
    """Without dropout, whose masks are another device's own."""
    model, training = VARIANTS[variant]
    cpu, gpu = (fitted(device, model, training) for device in ("cpu", "cuda"))
    losses = [[entry["loss"] for entry in r.history] for r in (cpu, gpu)]
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-3)
    for ours, theirs in zip(vectors(cpu), vectors(gpu), strict=True):
        assert np.linalg.norm(theirs - ours) <= 1e-2 * np.linalg.norm(ours)


@pytest.mark.parametrize("there", ["cpu", "cuda"])
def test_a_checkpoint_of_the_gpu_gives_the_same_scores_on_either_device(there):
    gpu = fitted("cuda")
    stored = to_bytes(gpu.to_checkpoint())
    settings = small_settings({"dropout": 0.0}, {"device": there})
    loaded = GraphRecommender.from_checkpoint(from_bytes(stored), WORLD, settings)
    for ours, theirs in zip(vectors(gpu), vectors(loaded), strict=True):
        assert np.linalg.norm(theirs - ours) <= 1e-5 * np.linalg.norm(ours)


def test_a_checkpoint_of_the_gpu_is_a_start_for_the_next_week_on_either_device():
    last_week = from_bytes(to_bytes(fitted("cuda").to_checkpoint()))
    losses = [fitted(d, warm_start=last_week, max_steps=4).history[-1]["loss"] for d in ("cpu", "cuda")]
    assert losses[1] == pytest.approx(losses[0], rel=1e-3)


def test_a_run_that_was_killed_goes_on_on_the_gpu(tmp_path):
    whole = fitted("cuda")

    def killed(step: int, *_: object) -> None:
        if step == 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fitted("cuda", checkpoint_dir=tmp_path, progress=killed)
    seen: list[int] = []
    resumed = fitted("cuda", checkpoint_dir=tmp_path, progress=lambda step, *_: seen.append(step))
    assert seen[0] == 7  # the last state is that of step 6
    for ours, theirs in zip(vectors(whole), vectors(resumed), strict=True):
        assert np.linalg.norm(theirs - ours) <= 1e-3 * np.linalg.norm(ours)


def test_a_process_that_torchrun_started_trains_over_nccl(tmp_path):
    """A group of one: two of NCCL's processes need two GPUs."""
    done = subprocess.run(
        [*torchrun(1), WORKER, str(tmp_path), "none", "cuda"],
        env=one_thread(),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    world = two_platforms()
    settings = small_settings(training={"micro_batches": 2, "validate_every": 2, "checkpoint_every": 2})
    checkpoint = load(tmp_path / "checkpoint.safetensors")
    assert share_of_right_pairs(GraphRecommender.from_checkpoint(checkpoint, world, settings), world) > 0.9

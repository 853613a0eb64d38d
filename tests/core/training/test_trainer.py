"""The trainer's state: what it hands on, and where it puts what it is given."""

from __future__ import annotations

import torch

from gnn_core.model.network import Network
from gnn_core.training.plan import build_plan
from gnn_core.training.trainer import Trainer
from tests.core.model.worlds import small_settings, two_platforms


def test_moments_stand_beside_their_parameters_and_the_count_of_steps_on_the_cpu():
    """On a device that only knows shapes: a scalar parameter's moments are scalars too, and once stayed behind."""
    settings, device = small_settings(), torch.device("meta")
    plan = build_plan(two_platforms(), settings, torch.device("cpu"), folds=False)
    network = Network(plan.sizes, settings.model).to(device)
    trainer = Trainer(network, [], settings.training, max_steps=0, device=device)
    names = dict(network.named_parameters())
    assert any(p.dim() == 0 for p in names.values())
    moments = {f"{name}/{m}": torch.zeros(p.shape) for name, p in names.items() for m in ("exp_avg", "exp_avg_sq")}
    trainer.load_optimizer(moments | {f"{name}/step": torch.tensor(3.0) for name in names})
    placed = {
        (moment, tensor.device.type) for state in trainer.optimizer.state.values() for moment, tensor in state.items()
    }
    assert placed == {("exp_avg", "meta"), ("exp_avg_sq", "meta"), ("step", "cpu")}

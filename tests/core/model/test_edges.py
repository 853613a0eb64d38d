"""Weighted means over edges, and their gradient."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gnn_core.model.edges import Edges

# Sources 0 and 1 reach target 0 with weights 1 and 3; source 1 reaches target 2; nothing reaches target 1.
EDGES = Edges(np.array([0, 1, 1]), np.array([0, 0, 2]), np.array([1.0, 3.0, 0.5]), 2, 3)


def test_mean_matches_hand_values_and_a_target_without_edges_gets_zeros():
    x = torch.tensor([[4.0, 0.0], [0.0, 8.0]])
    assert EDGES.mean(x).tolist() == [[1.0, 6.0], [0.0, 0.0], [0.0, 8.0]]
    assert EDGES.strength[:, 0].tolist() == [4.0, 0.0, 0.5]


def test_gradient_flows_back_along_the_edges():
    x = torch.zeros(2, 1, requires_grad=True)
    (EDGES.mean(x) * torch.tensor([[1.0], [10.0], [100.0]])).sum().backward()
    assert x.grad is not None
    assert x.grad[:, 0].tolist() == pytest.approx([0.25, 0.75 + 100])


def test_faded_edges_still_average():
    tiny = float(np.finfo(np.float32).tiny)
    edges = Edges(np.array([0, 1]), np.array([0, 0]), np.array([tiny, tiny], dtype=np.float32), 2, 1)
    assert edges.mean(torch.tensor([[2.0], [4.0]])).tolist() == [[3.0]]


def test_a_neighbour_that_has_faded_beyond_single_precision_is_still_one():
    """An order of nine years ago, at a month of decay: few it counts for, but none it is not."""
    edges = Edges(np.array([0]), np.array([0]), np.array([np.exp(-3200 / 30)]), 1, 2)
    assert (edges.strength[:, 0] > 0).tolist() == [True, False]

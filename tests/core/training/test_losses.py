"""The losses, by hand, and what the score's scale and bias make possible."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from gnn_core.training.losses import own_scores, sampled_softmax, shared_scores, weighted_bce

ONE = torch.ones(1)


def logits(*values: float) -> Tensor:
    return torch.tensor([values])


def test_softmax_matches_hand_value():
    loss = sampled_softmax(
        torch.tensor([math.log(6.0)]), logits(math.log(1), math.log(3)), torch.ones(1, 2).bool(), ONE
    )
    assert float(loss) == pytest.approx(-math.log(6 / 10))


def test_a_masked_negative_counts_for_nothing():
    usable = torch.tensor([[True, False]])
    with_mask = sampled_softmax(ONE, logits(0.5, 99.0), usable, ONE)
    assert float(with_mask) == pytest.approx(float(sampled_softmax(ONE, logits(0.5), usable[:, :1], ONE)))
    assert float(weighted_bce(ONE, logits(0.5, 99.0), usable, ONE)) == pytest.approx(
        float(weighted_bce(ONE, logits(0.5), usable[:, :1], ONE))
    )


@pytest.mark.parametrize("loss", [sampled_softmax, weighted_bce])
def test_an_example_without_any_usable_negative_gives_no_nan(loss):
    positive = torch.zeros(1, requires_grad=True)
    negative = torch.zeros(1, 2, requires_grad=True)
    loss(positive, negative, torch.zeros(1, 2).bool(), ONE).backward()
    assert torch.isfinite(positive.grad).all()
    assert (negative.grad == 0).all()


def test_softmax_over_no_weight_is_zero():
    assert float(sampled_softmax(ONE, logits(0.0), torch.ones(1, 1).bool(), torch.zeros(1))) == 0


@pytest.mark.parametrize("loss", [sampled_softmax, weighted_bce])
def test_positives_count_by_their_edge_weight(loss):
    positive, negative, usable = torch.tensor([2.0, -1.0]), torch.zeros(2, 3), torch.ones(2, 3).bool()
    single = [float(loss(positive[i : i + 1], negative[:1], usable[:1], ONE)) for i in (0, 1)]
    both = float(loss(positive, negative, usable, torch.tensor([5.0, 1.0])))
    assert both == pytest.approx((5 * single[0] + single[1]) / 6)


def test_bce_matches_hand_value():
    loss = weighted_bce(torch.tensor([math.log(3.0)]), logits(0.0, 0.0), torch.ones(1, 2).bool(), ONE)
    assert float(loss) == pytest.approx(math.log(4 / 3) + math.log(2))


@pytest.mark.parametrize(("scale", "possible"), [(1.0, False), (15.0, True)])
def test_bce_of_a_perfect_cosine_needs_a_scale(scale, possible):
    """Logits in [−1, 1] cannot bring either half of the loss below log(1 + 1/e) = 0.313."""
    user, products = torch.tensor([[1.0, 0.0]]), torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    scores = own_scores(scale * user, products, torch.zeros(2), torch.tensor([[0, 1]]))
    loss = float(weighted_bce(scores[:, 0], scores[:, 1:], torch.ones(1, 1).bool(), ONE))
    assert (loss < 0.1) == possible
    assert loss == pytest.approx(2 * math.log1p(math.exp(-scale)))


@pytest.mark.parametrize(("examples", "negatives"), [(37, 5), (1, 1), (0, 4), (3, 0)])
def test_own_scores_and_their_gradients_are_those_of_gathered_vectors(examples, negatives):
    """Products drawn twice by one user, by nobody, and more examples than a block has; rounding is the processor's."""
    torch.manual_seed(0)
    product_BN, weight_BN = torch.randint(0, 6, (examples, negatives)), torch.randn(examples, negatives)
    start = torch.randn(examples, 9), torch.randn(8, 9), torch.randn(8)

    def gathered(user_BO: Tensor, product_PO: Tensor, bias_P: Tensor) -> Tensor:
        return torch.einsum("bo,bno->bn", user_BO, functional.embedding(product_BN, product_PO)) + bias_P[product_BN]

    found = []
    for scores in (gathered, lambda user, product, bias: own_scores(user, product, bias, product_BN)):
        leaves = [tensor.clone().requires_grad_() for tensor in start]
        made = scores(*leaves)
        (made * weight_BN).sum().backward()
        found.append([made.detach(), *(leaf.grad for leaf in leaves)])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(other, one, rtol=1e-6, atol=1e-6)
    assert not found[1][2][6:].any()


def test_own_and_shared_scores_are_scale_times_cosine_plus_bias():
    users, products = torch.tensor([[1.0, 0.0], [0.6, 0.8]]), torch.tensor([[0.0, 1.0], [1.0, 0.0], [0.8, 0.6]])
    bias, scale = torch.tensor([0.5, 0.0, -1.0]), torch.tensor(10.0)
    own = own_scores(scale * users, products, bias, torch.tensor([[2], [0]]))
    assert own.flatten().tolist() == pytest.approx([7.0, 8.5])
    shared = shared_scores(scale * users, products, bias, torch.tensor([0, 2]))
    assert shared.flatten().tolist() == pytest.approx([0.5, 7.0, 8.5, 8.6])

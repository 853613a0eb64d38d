"""The two losses: softmax over fitting and over all products, and the proposal's edge-weighted BCE.

What belongs here: scores → one number. What does not: drawing (negatives.py), the score itself (model/network.py).

Shape letters: B examples, N negatives an example, G shared negatives, O vector width.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

NEVER = -1e9
"""Logit of a masked negative; finite, so that a row without any usable negative has loss 0 and no NaN gradient."""


def own_scores(user_BO: Tensor, product_PO: Tensor, bias_P: Tensor, product_BN: Tensor) -> Tensor:
    """(B, N) scores of each user with products of their own."""
    vectors_BNO = functional.embedding(product_BN, product_PO)
    return torch.einsum("bo,bno->bn", user_BO, vectors_BNO) + bias_P[product_BN]


def shared_scores(user_BO: Tensor, product_PO: Tensor, bias_P: Tensor, product_G: Tensor) -> Tensor:
    """(B, G) scores of all users with the same products."""
    vectors_GO = functional.embedding(product_G, product_PO)
    return user_BO @ vectors_GO.T + bias_P[product_G]


def sampled_softmax(positive_B: Tensor, negative_BN: Tensor, usable_BN: Tensor, weight_B: Tensor) -> Tensor:
    """Weighted mean of −log softmax of the positive among its usable negatives; 0 when all weights are 0."""
    masked = negative_BN.masked_fill(~usable_BN, NEVER)
    loss_B = torch.logsumexp(torch.cat([positive_B[:, None], masked], dim=1), dim=1) - positive_B
    return (weight_B * loss_B).sum() / weight_B.sum().clamp(min=1e-12)


def weighted_bce(positive_B: Tensor, negative_BN: Tensor, usable_BN: Tensor, weight_B: Tensor) -> Tensor:
    """Binary cross-entropy in which a positive and its negatives together weigh as the positive's edge.

    The usable negatives of an example share its weight equally, so that drawing more of them makes the estimate finer,
    not the negatives heavier.
    """
    usable = usable_BN.to(negative_BN.dtype)
    negative_B = (functional.softplus(negative_BN) * usable).sum(dim=1) / usable.sum(dim=1).clamp(min=1)
    loss_B = functional.softplus(-positive_B) + negative_B
    return (weight_B * loss_B).sum() / weight_B.sum().clamp(min=1e-12)

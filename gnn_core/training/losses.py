"""The two losses: softmax over fitting and over all products, and the proposal's edge-weighted BCE.

What belongs here: scores → one number. What does not: drawing (negatives.py), the score itself (model/network.py).

Shape letters: B examples, N negatives an example, G shared negatives, O vector width.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

NEVER = -1e9
"""Logit of a masked negative; finite, so that a row without any usable negative has loss 0 and no NaN gradient."""


_BLOCK_EXAMPLES = 16
"""Whose products' vectors are gathered at a time, so that they stay in the cache of a core."""


def own_scores(user_BO: Tensor, product_PO: Tensor, bias_P: Tensor, product_BN: Tensor) -> Tensor:
    """(B, N) scores of each user with products of their own."""
    if user_BO.device.type == "cpu":
        return _OwnScores.apply(user_BO, product_PO, product_BN) + bias_P[product_BN]
    vectors_BNO = functional.embedding(product_BN, product_PO)
    return torch.einsum("bo,bno->bn", user_BO, vectors_BNO) + bias_P[product_BN]


class _OwnScores(torch.autograd.Function):
    """(B, N) inner products of each user with products of their own, without a vector for each of the B × N pairs.

    4,096 examples with 60 products of 700 dimensions each are 0.7 GB, written, read, and spread over the products again
    row by row: a CPU spends most of a step on that. The gradients are products of the sparse (B, P) matrix of the
    pairs' gradients instead. On the x86-64 CPU that it was compared on, both ways end in the same bits.
    """

    @staticmethod
    def forward(ctx: Any, user_BO: Tensor, product_PO: Tensor, product_BN: Tensor) -> Tensor:
        ctx.save_for_backward(user_BO, product_PO, product_BN)
        blocks = zip(user_BO.split(_BLOCK_EXAMPLES), product_BN.split(_BLOCK_EXAMPLES), strict=True)
        scores = [torch.einsum("bo,bno->bn", u, functional.embedding(p, product_PO)) for u, p in blocks]
        return torch.cat(scores)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grad: Tensor) -> tuple[Tensor, Tensor, None]:
        user_BO, product_PO, product_BN = ctx.saved_tensors
        (n_B, n_N), n_P = product_BN.shape, len(product_PO)
        product_K, grad_K = product_BN.reshape(-1), grad[0].reshape(-1)
        by_user = n_N * torch.arange(n_B + 1)
        user_K = torch.arange(n_B).repeat_interleave(n_N)
        order_K = torch.argsort(product_K, stable=True)
        by_product = functional.pad(torch.bincount(product_K, minlength=n_P).cumsum(0), (1, 0))
        user_BP = _csr(by_user, product_K, grad_K, (n_B, n_P))
        product_PB = _csr(by_product, user_K[order_K], grad_K[order_K], (n_P, n_B))
        return user_BP @ product_PO, product_PB @ user_BO, None


def _csr(first: Tensor, column: Tensor, value: Tensor, size: tuple[int, int]) -> Tensor:
    # A pair drawn twice stands in its row twice, and counts twice.
    return torch.sparse_csr_tensor(first, column, value, size=size, check_invariants=False)


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

"""A small conditional logit: which of the fitting products does an owner order? Ten coefficients for the whole store.

What belongs here: choice sets, fitting, scoring. What does not: what is known of a product for a segment (evidence.py).

Shape letters: R rows of a block, A audience rows, P products, S segments, F fitment pairs (segment, product),
C choices, N alternatives of a choice, X features.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, sparse

from gnn_core.config import PeerSettings
from gnn_core.errors import LeakageError
from gnn_core.recommender import Audience
from gnn_core.scoring.peers.counts import summed
from gnn_core.scoring.peers.evidence import Evidence
from gnn_core.snapshot import ORDER, Events, Int, Snapshot, micros

Float = NDArray[np.float64]


@dataclass(frozen=True)
class Choices:
    """Orders, each with products that fitted the same segment. Column 0 of `product_CN` is what was ordered."""

    user_C: Int
    segment_C: Int
    product_CN: Int
    open_CN: NDArray[np.bool_]
    """False where an alternative is something that the user ordered as well."""
    weight_C: Float
    """1 / number of the user's segments that the product fits: an order counts once."""


class ConditionalLogit:
    """A Recommender: for segment s and the products p that fit it,

        P(p | s) ∝ exp(log(orders_p + ½) + β · z_sp)          z: standardised features of evidence.py
        β = argmin Σ weight · −log P(ordered | s, alternatives) + λ/2 · |β|²

    In fitting, the features of a choice are those of the store *without this user*, so that an order does not explain
    itself. Alternatives are drawn at random from what fits, which leaves β consistent (McFadden 1978). β = 0 is
    popularity, and so is a store in which nobody ordered anything that fits.

    A row of several segments scores a product by the best of those it fits; a product that fits none of them, or a row
    without a segment, by what is known of the product alone. The row's own history is not used.
    """

    name = "conditional_logit"

    def __init__(self, settings: PeerSettings, seed: int) -> None:
        """`seed` draws alternatives, and choices where there are more than `peers.logit_choices`."""
        self._settings, self._seed = settings, seed
        self._owns_AS = sparse.csr_matrix((0, 0))
        self._taught_by: Events | None = None

    def teach(self, choices: Events) -> None:
        """Let the next `fit` learn β from the orders among these choices too; see `Taught`."""
        self._taught_by = choices

    def fit(self, train: Snapshot) -> None:
        """Draw choice sets, fit β, score every fitment pair.

        Raises:
            LeakageError: a choice that teaches lies before `train.as_of`.
        """
        evidence = Evidence(train, self._settings.logit_segment_strength, self._settings.logit_make_strength)
        if self._taught_by is not None and len(self._taught_by) and self._taught_by.ts_E.min() < micros(train.as_of):
            raise LeakageError(f"conditional logit: choices before {train.as_of} are counted already; teach later ones")
        choices = draw_choices(evidence, self._settings, np.random.default_rng(self._seed), self._taught_by)
        user_CN, segment_CN = (
            np.broadcast_to(v[:, None], choices.product_CN.shape) for v in (choices.user_C, choices.segment_C)
        )
        x_CNX = evidence.features(segment_CN, choices.product_CN, without_user=user_CN)
        offset_CN = evidence.log_orders(choices.product_CN, without_user=user_CN)
        known = x_CNX[choices.open_CN]
        mean_X, deviation_X = (known.mean(axis=0), known.std(axis=0)) if len(known) else (np.zeros(1), np.zeros(1))
        # A feature that never varies (one price for all) says nothing.
        inverse_X = np.divide(1.0, deviation_X, out=np.zeros_like(deviation_X), where=deviation_X > 1e-9)
        z_CNX = (x_CNX - mean_X) * inverse_X
        self.coefficients = fit_logit(z_CNX, offset_CN, choices.open_CN, choices.weight_C, self._settings.logit_penalty)
        """(X,) β in the order of evidence.FEATURES."""

        def utilities(segment: Int, product: Int) -> NDArray[np.float32]:
            z = (evidence.features(segment, product) - mean_X) * inverse_X
            return (evidence.log_orders(product) + z @ self.coefficients).astype(np.float32)

        fits = evidence.fits_SP
        segment_F = np.repeat(np.arange(fits.shape[0]), np.diff(fits.indptr))
        everything = np.arange(fits.shape[1])
        self._alone_P = utilities(np.full(len(everything), -1), everything)
        fitting = utilities(segment_F, fits.indices.astype(np.int64))
        self._fitting_SP = sparse.csr_matrix((fitting, fits.indices, fits.indptr), shape=fits.shape)

    def prepare(self, audience: Audience) -> None:
        """Keep the rows' segments."""
        self._owns_AS = audience.owns_AS

    def score_block(self, start: int, stop: int) -> NDArray[np.float32]:
        """(R, P) utilities."""
        owns = self._owns_AS[start:stop]
        scores = np.full((stop - start, len(self._alone_P)), -np.inf, dtype=np.float32)
        n_segments = np.diff(owns.indptr)
        for nth in range(int(n_segments.max(initial=0))):
            rows = np.flatnonzero(n_segments > nth)
            theirs = self._fitting_SP[owns.indices[owns.indptr[rows] + nth]]
            at = np.repeat(rows, np.diff(theirs.indptr)), theirs.indices
            scores[at] = np.maximum(scores[at], theirs.data)
        return np.where(np.isneginf(scores), self._alone_P, scores)


def draw_choices(
    evidence: Evidence, settings: PeerSettings, rng: np.random.Generator, later: Events | None = None
) -> Choices:
    """Each (user, ordered product, owned segment that it fits), with alternatives drawn with replacement.

    Orders among `later` events are choices that no count knows of; an order of both kinds is one choice.
    """
    orders_UP = evidence.orders_UP
    if later is not None:
        new = later.take(later.kind_E == ORDER)
        orders_UP = sparse.csr_matrix(orders_UP + summed(new.user_E, new.product_E, np.ones(len(new)), orders_UP.shape))
    ordered = orders_UP.tocoo()
    user_C, product_C, segment_C = _owned_segments(ordered.row, ordered.col, evidence.owns_US)
    fits = evidence.at(evidence.fits_SP, segment_C, product_C) > 0
    user_C, product_C, segment_C = user_C[fits], product_C[fits], segment_C[fits]
    _, same_C, n_same = np.unique(
        user_C * np.int64(orders_UP.shape[1]) + product_C, return_inverse=True, return_counts=True
    )
    weight_C = 1.0 / n_same[same_C]
    if len(user_C) > settings.logit_choices:
        kept = np.sort(rng.choice(len(user_C), settings.logit_choices, replace=False))
        user_C, product_C, segment_C, weight_C = (v[kept] for v in (user_C, product_C, segment_C, weight_C))
    indptr, indices = evidence.fits_SP.indptr, evidence.fits_SP.indices
    width_C = np.diff(indptr)[segment_C]
    nth_CN = (rng.random((len(user_C), settings.logit_alternatives)) * width_C[:, None]).astype(np.int64)
    drawn_CN = indices[indptr[segment_C][:, None] + nth_CN].astype(np.int64)
    users_CN = np.broadcast_to(user_C[:, None], drawn_CN.shape)
    open_CN = evidence.at(orders_UP, users_CN, drawn_CN) == 0
    return Choices(
        user_C,
        segment_C,
        np.concatenate([product_C[:, None], drawn_CN], axis=1),
        np.concatenate([np.ones((len(user_C), 1), dtype=bool), open_CN], axis=1),
        weight_C,
    )


def fit_logit(z_CNX: Float, offset_CN: Float, open_CN: NDArray[np.bool_], weight_C: Float, penalty: float) -> Float:
    """(X,) coefficients by L-BFGS; the problem is convex, so the start does not matter. Column 0 was chosen."""
    base_CN = np.where(open_CN, offset_CN, -np.inf)

    def loss(beta: Float) -> tuple[float, Float]:
        utility_CN = base_CN + z_CNX @ beta
        top_C = utility_CN.max(axis=1)
        raised_CN = np.exp(utility_CN - top_C[:, None])
        total_C = raised_CN.sum(axis=1)
        value = weight_C @ (np.log(total_C) + top_C - utility_CN[:, 0]) + penalty / 2 * beta @ beta
        surplus_CN = weight_C[:, None] * raised_CN / total_C[:, None]
        surplus_CN[:, 0] -= weight_C
        return float(value), np.einsum("cn,cnx->x", surplus_CN, z_CNX) + penalty * beta

    zeros = np.zeros(z_CNX.shape[2])
    if not len(weight_C):
        return zeros
    return np.asarray(optimize.minimize(loss, zeros, jac=True, method="L-BFGS-B").x, dtype=np.float64)


def _owned_segments(user_N: Int, product_N: Int, owns_US: sparse.csr_matrix) -> tuple[Int, Int, Int]:
    """Each pair once for every segment of its user: users, products, segments."""
    n_N = np.diff(owns_US.indptr)[user_N]
    pair = np.repeat(np.arange(len(user_N)), n_N)
    nth = np.arange(len(pair)) - np.repeat(np.cumsum(n_N) - n_N, n_N)
    segment = owns_US.indices[owns_US.indptr[user_N][pair] + nth]
    return user_N[pair].astype(np.int64), product_N[pair].astype(np.int64), segment.astype(np.int64)

"""What the graph's paths say of each fitment pair and each product, as numbers a linear model can weigh.

What belongs here: features over paths of the graph, from counts by linear algebra. What does not: their weights
(preference.py), factorising the weighted sum (factors.py).

Features of a pair are about log odds: how much more than everyone do owners of this make/model take this product,
seen along one kind of path. No evidence gives 0. Features of a product are about log popularity. Both are computed
from the visible users alone, so that they can be weighed on what hidden users took.

Shape letters: S segments (make/model), M makes, P products, T part types, F fitment pairs (segment, product),
A users with evidence, K features, I dimensions of the item space.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse

from gnn_core.config.paths import PathSettings
from gnn_core.model.factors import truncated_svd
from gnn_core.model.shrinkage import Evidence, Fitting, Strengths, log_lift
from gnn_core.snapshot import Int

Float = NDArray[np.float64]


@dataclass(frozen=True)
class PathFeatures:
    """Values along the graph's paths, by feature."""

    wide: Mapping[str, NDArray[np.float32]]
    """(S, P) each. Segments × products, never users × products."""
    fit: Mapping[str, NDArray[np.float32]]
    """(F,) each."""
    product_PK: NDArray[np.float32]
    """Columns are PRODUCT_FEATURES, then COLD_FEATURES."""


def path_features(
    fitting: Fitting,
    evidence: Evidence,
    recent_P: Float,
    owns_US: sparse.csr_matrix,
    part_type_P: Int,
    item_PI: Float,
    settings: PathSettings,
) -> PathFeatures:
    """Features from what the visible users took.

    Args:
        fitting: candidates of each segment.
        evidence: what the visible users took, in orders.
        recent_P: the same by product, decayed to the moment of the graph.
        owns_US: ownership of all users; those without evidence are left out.
        part_type_P: part type of each product.
        item_PI: rows of the item graph's factorisation, made from the same visible users.
        settings: strengths, penalties and floors.
    """
    of = _Paths(fitting, evidence, owns_US, part_type_P, item_PI, settings)
    wide = (*of.ridges(), of.taste(), of.co_taken())
    pairs = (*of.lifts(), of.part_type(), np.ones(len(of.p_F)), of.loyalty())
    return PathFeatures(
        dict(zip(settings.wide_features, wide, strict=True)),
        {name: value.astype(np.float32) for name, value in zip(settings.fit_features, pairs, strict=True)},
        np.stack([*of.products(recent_P), owners_per_rival(fitting, owns_US)], axis=1).astype(np.float32),
    )


class _Paths:
    """Sums that several features share."""

    def __init__(
        self,
        fitting: Fitting,
        evidence: Evidence,
        owns_US: sparse.csr_matrix,
        part_type_P: Int,
        item_PI: Float,
        settings: PathSettings,
    ) -> None:
        self.fitting, self.evidence, self.part_type_P, self.item_PI = fitting, evidence, part_type_P, item_PI
        self.settings = settings
        self.s_F, self.p_F = fitting.segment_F, fitting.product_F
        self.orders_P = evidence.by_product_P
        self.own_F = fitting.lookup(evidence.by_segment_SP, self.s_F)
        self.taken_S = np.asarray(evidence.by_segment_SP.sum(axis=1)).ravel()
        self.total = max(float(self.orders_P.sum()), 1e-12)
        active = np.flatnonzero(np.diff(evidence.by_user_UP.indptr))
        self.owns_AS = sparse.csr_matrix(owns_US[active], dtype=np.float64)
        self.took_AP = evidence.by_user_UP[active].minimum(1.0).tocsr()
        self.rate_P = np.asarray(self.took_AP.sum(axis=0)).ravel() / max(len(active), 1)

    def lifts(self) -> list[Float]:
        """Vehicle → user → product by make/model, make and neighbours, one a strength and the last with neighbours."""
        of = self.settings
        strengths = [Strengths(own, of.make_strength_ratio * own, None) for own in of.lift_strengths]
        strengths.append(replace(strengths[-1], neighbours=of.lift_neighbour_strength))
        return [log_lift(self.fitting, self.evidence, each) for each in strengths]

    def ridges(self) -> list[NDArray[np.float32]]:
        """User → vehicle → product, all vehicles of a user at once: ridge regression of what users took on segments
        and makes, as log ratio to the average. One per penalty.

        An owner of two vehicles explains an order by both; counting by segment would credit each in full.
        """
        n_S, make_S, make_scale = self.fitting.n_segments, self.fitting.make_S, self.settings.make_scale
        make_SM = sparse.csr_matrix((np.ones(n_S), (np.arange(n_S), make_S)))
        makes_AM = sparse.csr_matrix(self.owns_AS @ make_SM)
        makes_AM.data[:] = make_scale
        owns_AG = sparse.hstack([self.owns_AS, makes_AM]).tocsr()
        gram_GG = (owns_AG.T @ owns_AG).toarray()
        took_PG = sparse.csr_matrix((owns_AG.T @ self.took_AP).T, dtype=np.float32)
        owners_G = np.asarray(owns_AG.sum(axis=0)).ravel()
        found = []
        for penalty in self.settings.ridge_penalties:
            inverse_GG = _inverse(gram_GG, penalty)
            weights_SG = inverse_GG[:n_S] + make_scale * inverse_GG[n_S:][make_S]
            rate_SP = (took_PG @ np.ascontiguousarray(weights_SG.T, dtype=np.float32)).T
            found.append(self._log_ratio(rate_SP, weights_SG @ owners_G))
        return found

    def taste(self) -> NDArray[np.float32]:
        """Vehicle → user → product → user → product: the ridge's differences, seen in the item space."""
        gram_SS = (self.owns_AS.T @ self.owns_AS).toarray()
        gram_SS += self.settings.ridge_penalties[0] * np.eye(self.fitting.n_segments)
        length = np.sqrt(np.square(self.item_PI).sum(axis=0))
        axes_PI = np.divide(self.item_PI, length, out=np.zeros_like(self.item_PI), where=length > 0)
        owners_S = np.asarray(self.owns_AS.sum(axis=0)).ravel()
        surprise_SI = self.owns_AS.T @ (self.took_AP @ axes_PI) - np.outer(owners_S, self.rate_P @ axes_PI)
        return self._log_ratio(np.linalg.solve(gram_SS, surprise_SI) @ axes_PI.T, np.zeros(len(owners_S)))

    def _log_ratio(self, rate_SP: Float, expected_S: Float) -> NDArray[np.float32]:
        """log of (average + difference) / average, where the average counts one order more."""
        little = 1.0 / max(self.owns_AS.shape[0], 1)
        # In place and in single precision: segments × products is the largest array of a fit.
        ratio_SP = torch.tensor(rate_SP, dtype=torch.float32).contiguous().numpy()
        ratio_SP -= np.outer(expected_S.astype(np.float32), self.rate_P.astype(np.float32))
        ratio_SP /= (self.rate_P + little).astype(np.float32)
        np.maximum(ratio_SP, np.float32(self.settings.ratio_floor - 1.0), out=ratio_SP)
        return np.log1p(ratio_SP, out=ratio_SP)

    def co_taken(self) -> NDArray[np.float32]:
        """Vehicle → user → product → product: closeness to what owners took, over closeness to what everyone takes."""
        near_SI = self.evidence.by_segment_SP @ self.item_PI
        average_P = self.item_PI @ (self.orders_P @ self.item_PI / self.total)
        if float(average_P.mean()) <= 0:
            return np.zeros((self.fitting.n_segments, self.fitting.n_products), dtype=np.float32)
        average_P = np.maximum(average_P, 0.05 * float(average_P.mean()))
        # So many orders of average closeness are mixed in on both sides: a segment of few orders says little.
        prior_P = self.settings.closeness_strength * average_P
        ratio_SP = near_SI.astype(np.float32) @ self.item_PI.T.astype(np.float32)
        np.maximum(ratio_SP, np.float32(0.0), out=ratio_SP)
        ratio_SP += prior_P.astype(np.float32)
        expected_S = self.taken_S + self.settings.closeness_strength
        ratio_SP /= np.outer(expected_S.astype(np.float32), average_P.astype(np.float32))
        return np.log(ratio_SP, out=ratio_SP)

    def part_type(self) -> Float:
        """Vehicle → user → product → part type: orders of the type among what fits, over what popularity expects."""
        n_T = int(self.part_type_P.max(initial=-1)) + 1
        key_F = self.s_F * n_T + self.part_type_P[self.p_F]
        size = self.fitting.n_segments * n_T
        observed = np.bincount(key_F, weights=self.own_F, minlength=size)
        popular_F = self.fitting.shares(self.orders_P[self.p_F])
        expected = np.bincount(
            key_F, weights=popular_F * self.fitting.per_segment(self.own_F)[self.s_F], minlength=size
        )
        prior = self.settings.surprise_strength
        return np.log((observed + prior) / (expected + prior))[key_F]

    def loyalty(self) -> Float:
        """How much more than chance owners of the segment take what fits it at all; tells an owner's vehicles apart."""
        chance_S = self.fitting.per_segment(self.orders_P[self.p_F]) / self.total
        expected_S = self.taken_S * chance_S
        observed_S = self.fitting.per_segment(self.own_F)
        overall = observed_S.sum() / max(expected_S.sum(), 1e-12)
        prior = self.settings.surprise_strength
        return np.log((observed_S + prior) / (expected_S * overall + prior))[self.s_F]

    def products(self, recent_P: Float) -> list[Float]:
        """Features of products, in the order of PRODUCT_FEATURES."""
        n_P, type_P = self.fitting.n_products, self.part_type_P
        n_T = int(type_P.max(initial=-1)) + 1
        in_type_T = np.maximum(np.bincount(type_P, minlength=n_T), 1)
        type_orders_T = np.bincount(type_P, weights=self.orders_P, minlength=n_T) / in_type_T
        breadth_P = np.bincount(self.p_F, minlength=n_P)
        near_P = self.item_PI @ (self.item_PI.T @ self.orders_P)
        near_P = np.maximum(near_P, 0.0) / max(float(near_P.mean()), 1e-12)
        by_fit_P = np.bincount(self.p_F, weights=self.own_F, minlength=n_P)
        share_P = np.bincount(self.p_F, weights=self.taken_S[self.s_F], minlength=n_P) / max(self.taken_S.sum(), 1e-12)
        chance_P = self.orders_P * share_P
        chance_P *= by_fit_P.sum() / max(chance_P.sum(), 1e-12)
        by_fit_T = np.bincount(type_P, weights=by_fit_P, minlength=n_T)
        chance_T = np.bincount(type_P, weights=chance_P, minlength=n_T)
        return [
            np.log(self.orders_P + 0.5),
            np.log(self.orders_P + 5.0),
            np.log(recent_P + 0.5),
            np.log(type_orders_T + 0.05)[type_P],
            np.log1p(breadth_P),
            np.log(near_P + 0.05),
            np.log((by_fit_P + 1.0) / (chance_P + 1.0)),
            np.log((by_fit_P + 5.0) / (chance_P + 5.0)),
            np.log((by_fit_T + 5.0) / (chance_T + 5.0))[type_P],
        ]


def owners_per_rival(fitting: Fitting, owns_US: sparse.csr_matrix) -> Float:
    """(P,) log of users who own exactly what the product fits, over products that fit exactly the same; mean 0.

    Ownership is known of everybody, orders of a few: what many drive and little fits sells before anybody has bought
    it. Products that fit no make/model get the mean.
    """
    fits_PS = fitting.as_matrix(np.ones(len(fitting.segment_F))).T.tocsr()
    known_P = np.diff(fits_PS.indptr) > 0
    _, set_N, size_N = np.unique(
        np.concatenate([_set_sums(owns_US), _set_sums(fits_PS)]), return_inverse=True, return_counts=True
    )
    set_P = set_N[owns_US.shape[0] :]
    rivals_P = np.bincount(set_P, minlength=len(size_N))[set_P]
    owners_P = size_N[set_P] - rivals_P
    value_P = np.log((owners_P + 0.5) / (rivals_P + 0.5))
    return np.where(known_P, value_P - value_P[known_P].mean(), 0.0) if known_P.any() else np.zeros(len(known_P))


def _set_sums(members: sparse.csr_matrix) -> NDArray[np.uint64]:
    """A number for each row that says which columns it holds: sums of a random 64-bit number each, so that rows of
    different columns differ but for a chance of one in 10^19 a pair."""
    of_column = np.random.default_rng(0).integers(0, np.iinfo(np.uint64).max, members.shape[1], dtype=np.uint64)
    total = np.concatenate([np.zeros(1, np.uint64), np.cumsum(of_column[members.indices], dtype=np.uint64)])
    return total[members.indptr[1:]] - total[members.indptr[:-1]]


def item_space(
    fitting: Fitting,
    evidence: Evidence,
    part_type_P: Int,
    *,
    rank: int,
    attribute_weight: float,
    seed: int,
    names_PW: sparse.csr_matrix | None = None,
) -> Float:
    """(P, I) product · product ≈ how much two products share buyers, part type, vehicles and, if given, names."""
    rows = _item_rows(fitting, evidence, part_type_P, attribute_weight)
    if names_PW is not None:
        rows = sparse.vstack([rows, attribute_weight * _scaled(names_PW.T.tocsr())]).tocsr()
    _, values, right = truncated_svd(rows, rank, seed)
    return right * values


def _item_rows(fitting: Fitting, evidence: Evidence, part_type_P: Int, attribute_weight: float) -> sparse.csr_matrix:
    """Users, part types and segments as rows over products, each scaled by 1/sqrt(row sum · column sum)."""
    n_P = fitting.n_products
    # Nearly all users have taken nothing, and a row of zeros adds nothing but work.
    log_taken = evidence.by_user_UP[np.flatnonzero(np.diff(evidence.by_user_UP.indptr))]
    log_taken.data = np.log1p(log_taken.data)
    types = sparse.csr_matrix((np.ones(n_P), (part_type_P, np.arange(n_P))), shape=(int(part_type_P.max()) + 1, n_P))
    ones = np.ones(len(fitting.segment_F))
    fits = sparse.csr_matrix((ones, (fitting.segment_F, fitting.product_F)), shape=(fitting.n_segments, n_P))
    scaled = (_scaled(log_taken), attribute_weight * _scaled(types), attribute_weight * _scaled(fits))
    return sparse.vstack(scaled).tocsr()


def _inverse(gram_GG: Float, penalty: float) -> Float:
    """Inverse of the Gram matrix with a penalty on its diagonal, by its Cholesky factor."""
    ridge = torch.from_numpy(gram_GG) + penalty * torch.eye(len(gram_GG), dtype=torch.float64)
    return torch.cholesky_inverse(torch.linalg.cholesky(ridge)).numpy()


def _scaled(matrix: sparse.csr_matrix) -> sparse.csr_matrix:
    rows = np.asarray(matrix.sum(axis=1)).ravel()
    columns = np.asarray(matrix.sum(axis=0)).ravel()
    inverse = [np.divide(1.0, np.sqrt(v), out=np.zeros_like(v), where=v > 0) for v in (rows, columns)]
    return sparse.diags(inverse[0]) @ matrix @ sparse.diags(inverse[1])

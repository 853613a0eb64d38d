"""How much more a vehicle's owners order a product than everyone does: shrunk over the graph, before any gradient step.

What belongs here: the shares of what fits a segment, shrunk from the segment to its neighbours in the fitment graph, to
its make, to all products. What does not: other paths, and how much each counts (paths.py, preference.py).

The neighbours are the graph's own contribution: segments that share rare parts share taste, whichever make they are of,
over the path vehicle → product → vehicle. Levels of one make alone cannot see that.

Shape letters: S segments, M makes, P products, F fitment pairs (segment, product).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from gnn_core.config.learning import GraphSettings
from gnn_core.graph.interactions import add_up, kind_weights
from gnn_core.snapshot import Events, Int

Float = NDArray[np.float64]


@dataclass(frozen=True)
class Strengths:
    """Prior strengths in orders."""

    own: float
    """How many orders of its own a segment needs to weigh as much as its parent."""
    make: float
    """How many a make needs to weigh as much as all products."""
    neighbours: float | None
    """How many orders expected of the neighbours it takes to trust them as much as the make; None = not used."""


@dataclass(frozen=True)
class Fitting:
    """Fitment pairs in segment order, with the make of each segment."""

    segment_F: Int
    product_F: Int
    make_S: Int
    n_products: int
    most_neighbours: int
    """Of a segment in the fitment graph."""

    @property
    def n_segments(self) -> int:
        """Number of segments, those without a fitting product included."""
        return len(self.make_S)

    @cached_property
    def neighbours_SS(self) -> sparse.csr_matrix:
        """(S, S) weights of the nearest segments: squared cosine of fitment rows in which rare parts count more."""
        n_S = self.n_segments
        rarity_P = np.log(n_S / np.maximum(np.bincount(self.product_F, minlength=self.n_products), 1))
        rows = sparse.csr_matrix((rarity_P[self.product_F], (self.segment_F, self.product_F)), (n_S, self.n_products))
        length_S = np.sqrt(np.asarray(rows.multiply(rows).sum(axis=1)).ravel())
        inverse = np.divide(1.0, length_S, out=np.zeros(n_S), where=length_S > 0)
        unit = sparse.csr_matrix(sparse.diags(inverse) @ rows)
        cosine = sparse.csr_matrix(unit @ unit.T)
        cosine.setdiag(0.0)
        cosine.eliminate_zeros()
        cosine.sort_indices()
        cosine.data **= 2
        return largest_of_each_row(cosine, self.most_neighbours)

    def as_matrix(self, value_F: Float) -> sparse.csr_matrix:
        """(S, P) matrix of values of the pairs."""
        return sparse.csr_matrix((value_F, (self.segment_F, self.product_F)), shape=(self.n_segments, self.n_products))

    def lookup(self, counts: sparse.csr_matrix, row_F: Int) -> Float:
        """Value of a sparse (rows, P) matrix at each fitment pair, with 0 where there is none."""
        counts = counts.tocsr()
        counts.sort_indices()
        row = np.repeat(np.arange(counts.shape[0]), np.diff(counts.indptr))
        have = row * np.int64(self.n_products) + counts.indices
        want = row_F * np.int64(self.n_products) + self.product_F
        at = np.minimum(np.searchsorted(have, want), max(len(have) - 1, 0))
        return np.where(have[at] == want, counts.data[at], 0.0) if len(have) else np.zeros(len(want))

    def per_segment(self, value_F: Float) -> Float:
        """(S,) sums over the fitting products of each segment."""
        return np.bincount(self.segment_F, weights=value_F, minlength=self.n_segments).astype(np.float64)

    def shares(self, value_F: Float) -> Float:
        """(F,) values as shares of their segment's sum."""
        return value_F / np.maximum(self.per_segment(value_F), 1e-300)[self.segment_F]


@dataclass(frozen=True)
class Evidence:
    """Undecayed interactions in units of one order, by user, segment and product."""

    by_user_UP: sparse.csr_matrix
    by_segment_SP: sparse.csr_matrix
    """An owner of two segments counts in both."""
    by_product_P: Float


def gather_evidence(events: Events, owns_US: sparse.csr_matrix, n_products: int, settings: GraphSettings) -> Evidence:
    """Add up events in units of one order: a cart counts 3/5 and a view 1/5 with the proposal's weights.

    Not decayed: the taste of a vehicle's owners changes slowly, and most orders of a store are old.
    """
    per_kind = kind_weights(settings) / kind_weights(settings).max()
    pairs = add_up(events.user_E, events.product_E, per_kind[events.kind_E], n_products)
    shape = (owns_US.shape[0], n_products)
    by_user = sparse.csr_matrix((pairs.weight_K, (pairs.user_K, pairs.product_K)), shape=shape)
    by_segment = sparse.csr_matrix(owns_US.astype(np.float64).T @ by_user)
    by_segment.sort_indices()
    return Evidence(by_user, by_segment, np.asarray(by_user.sum(axis=0)).ravel())


def log_lift(fitting: Fitting, evidence: Evidence, strengths: Strengths) -> Float:
    """(F,) log of a shrunk order share among the fitting products, over the share that global popularity gives.

    Empirical Bayes in three steps: make towards all products, then what the neighbours order beyond expectation, then
    the segment itself. No evidence gives 0 everywhere, and the ranking is then global popularity.
    """
    s_F, p_F = fitting.segment_F, fitting.product_F
    base_F = fitting.shares(evidence.by_product_P[p_F] + 0.5)
    make_MS = sparse.csr_matrix(
        (np.ones(fitting.n_segments), (fitting.make_S, np.arange(fitting.n_segments))),
        shape=(int(fitting.make_S.max(initial=-1)) + 1, fitting.n_segments),
    )
    # The half order that every product is given is shared out among segments by their orders: where there is but one
    # segment, or all order alike, the lift is 0, also of what nobody ordered.
    taken_S = np.asarray(evidence.by_segment_SP.sum(axis=1)).ravel()
    half_S = 0.5 * taken_S / max(float(evidence.by_product_P.sum()), 1e-12)
    own_F = fitting.lookup(evidence.by_segment_SP, s_F) + half_S[s_F]
    make_F = fitting.lookup(sparse.csr_matrix(make_MS @ evidence.by_segment_SP), fitting.make_S[s_F])
    make_F = make_F + (make_MS @ half_S)[fitting.make_S[s_F]]
    parent_F = (make_F + strengths.make * base_F) / (fitting.per_segment(make_F)[s_F] + strengths.make)
    if strengths.neighbours is not None:
        parent_F = _with_neighbours(fitting, own_F, parent_F, strengths.neighbours)
    share_F = (own_F + strengths.own * parent_F) / (fitting.per_segment(own_F)[s_F] + strengths.own)
    return np.log(share_F / base_F)


def _with_neighbours(fitting: Fitting, own_F: Float, parent_F: Float, strength: float) -> Float:
    """(F,) shares after what neighbouring segments ordered over what their own shares would have them order.

    Observed over expected, not plain counts: a neighbour to which other products fit too says nothing by their absence.
    """
    s_F = fitting.segment_F
    expected_F = fitting.per_segment(own_F)[s_F] * parent_F
    near = fitting.neighbours_SS
    observed_F = fitting.lookup(near @ fitting.as_matrix(own_F), s_F)
    expected_F = fitting.lookup(near @ fitting.as_matrix(expected_F), s_F)
    prior_F = strength * parent_F
    return fitting.shares(parent_F * (observed_F + prior_F) / (expected_F + prior_F))


def largest_of_each_row(matrix: sparse.csr_matrix, most: int) -> sparse.csr_matrix:
    """The `most` largest entries of each row; ties go to the lower column."""
    row = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    order = np.lexsort((matrix.indices, -matrix.data, row))
    place = np.arange(len(row)) - matrix.indptr[row]
    kept = order[place < most]
    return sparse.csr_matrix((matrix.data[kept], (row[kept], matrix.indices[kept])), shape=matrix.shape)

"""The constants of one snapshot: path features of any set of events, and the weights that earlier choices give them.

What belongs here: which events describe a choice, and which choices teach. What does not: features (model/paths.py),
the likelihood (model/logit.py), graphs and examples (plan.py).

Two kinds of choices teach the weights of a user without history: those of a fold of hidden users, described by all
other users; and those of users whose first event lies in an earlier window, described by what came before it. The
first are many, the second know how popularity drifts. Users with a past teach from the earlier windows alone.
Choices after the training moment, of a validation window that the fit may not count, are one more such window.

Shape letters: U users, E events, S segments, P products, K product features.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from gnn_core.config import Settings
from gnn_core.config.history import MEASURES
from gnn_core.config.paths import COLD_FEATURES, PRODUCT_FEATURES
from gnn_core.contracts import EVENT_TYPES
from gnn_core.errors import ArtifactError, LeakageError
from gnn_core.graph.hetero import Structure
from gnn_core.graph.interactions import add_up, kind_weights
from gnn_core.model.by_rank import weighed_by_rank
from gnn_core.model.factors import Factors, factorise_lift
from gnn_core.model.fitment_factors import fitment_vectors
from gnn_core.model.history import history_queries
from gnn_core.model.inputs import ScoreWeights
from gnn_core.model.intent import FITMENT, JOINT, SPECTRAL, IntentWeights, Window, fit_intent
from gnn_core.model.item_graph import ItemGraph, build_item_graph
from gnn_core.model.logit import Choices
from gnn_core.model.paths import PathFeatures, item_space, path_features
from gnn_core.model.preference import PathWeights, choices, fit_weights
from gnn_core.model.shrinkage import Evidence, Fitting, gather_evidence
from gnn_core.model.spectral import SpectralFactors, spectral_factors
from gnn_core.snapshot import ORDER, Events, Int, Snapshot, micros
from gnn_core.training.hidden_pairs import hidden_events

MICROS_PER_DAY = 86_400_000_000
_HIDDEN = 1_000_000
"""Beside the seed: another draw than any fold's or window's."""


@dataclass(frozen=True)
class Weights:
    """What was learned about the paths, to be frozen with the model."""

    paths: PathWeights
    intent: IntentWeights
    start: str
    """Where the search for the weights of a history began: FIT_MEASURE, or FIT where choosers were too few for one."""


@dataclass(frozen=True)
class Constants:
    """Constants of one set of visible events."""

    factors: Factors
    items: ItemGraph
    score: ScoreWeights


class ConstantMaker:
    """Makes constants of one snapshot; the structure of the store is shared by all of them."""

    def __init__(self, train: Snapshot, settings: Settings, structure: Structure) -> None:
        self._train, self._settings, self._structure = train, settings, structure
        fits = structure.fits_SP
        segment_F = np.repeat(np.arange(fits.shape[0]), np.diff(fits.indptr))
        paths = settings.paths
        self._fitting = Fitting(segment_F, fits.indices.astype(np.int64), train.make_S, fits.shape[1], paths.neighbours)
        self._kinds = kind_weights(settings.graph)
        model = settings.model
        self.wanted = (
            model.popularity_bias
            or max(model.vehicle_factors, model.item_factors, model.spectral_factors, model.fitment_factors) > 0
            or model.sparse_terms
        )
        """False for a model that learns everything by gradient."""

    def learn(
        self, fold_U: Int, folds: Sequence[int], start: str | None = None, choices: Events | None = None
    ) -> list[Weights]:
        """Weights from the choices of hidden folds and of earlier windows; what ranks these highest comes first.

        Args:
            fold_U: fold of each user. folds: those to hide, one after the other.
            start: where the search for the weights of a history has to begin, and by what measure; None = every fit
                and measure is tried.
            choices: made after the snapshot's moment, to learn from like those of an earlier window; None = none.
        Raises:
            ArtifactError: there is no such start.
            LeakageError: a choice lies before the snapshot's moment.
        """
        seed, events = self._settings.training.seed, self._train.events
        settings, history = self._settings.paths, self._settings.history
        parts: list[Choices] = []
        windows: list[Window] = []
        if not self.wanted:
            intent = fit_intent([], settings, history, sparse_terms=False, seed=seed)
            return [Weights(fit_weights([], settings), intent[JOINT], JOINT)]
        hidden_E = fold_U[events.user_E]
        for k in folds:
            features = self._features(events.take(hidden_E != k), self._train.as_of)
            hidden = self._evidence(events.take(hidden_E == k))
            parts.append(self._choices(features, hidden, np.random.default_rng([seed, k])))
        paths = fit_weights(parts, settings)
        for opened, later in self._windows(choices):
            past = self._train.before(opened)
            features = self._features(past.events, opened)
            known_U = np.zeros(len(self._train.user_ids), dtype=bool)
            known_U[past.events.user_E] = True
            first = self._evidence(later.take(~known_U[later.user_E]))
            rng = np.random.default_rng([seed, micros(opened) // MICROS_PER_DAY])
            parts.append(self._choices(features, first, rng))
            windows.append(self._window(past, opened, later, features, paths, timeless=False))
        timeless = not any(len(window.queries_C) for window in windows)
        if timeless:
            windows = [self._hidden_pairs(paths)]
        starts = fit_intent(windows, settings, history, sparse_terms=self._settings.model.sparse_terms, seed=seed)
        paths = fit_weights(parts, settings)
        if start is None:
            ends = weighed_by_rank(windows, starts, history, seed=seed)
            return [Weights(paths, weights, name) for name, weights in ends.items()]
        fit, _, measure = start.partition("_")
        if fit not in starts or (measure and measure not in MEASURES):
            raise ArtifactError(
                f"graph model: the weights of a history were chosen to start from {start!r}, and events before "
                f"{self._train.as_of} give only {', '.join(starts)} (by {', '.join(MEASURES)}); set "
                "model.spectral_in_windows as it was on validation, or choose again there"
            )
        measures = (measure or history.rank_measures[0],)
        (weights,) = weighed_by_rank(windows, {fit: starts[fit]}, history, seed=seed, measures=measures).values()
        return [Weights(paths, weights, start)]

    def make(self, events: Events, weights: Weights) -> Constants:
        """Constants of a model that sees these events and scores at the snapshot's moment."""
        n_S, n_P = self._fitting.n_segments, self._fitting.n_products
        model, seed = self._settings.model, self._settings.training.seed
        product_PK = np.zeros((n_P, len(weights.paths.product_K) + 1), dtype=np.float32)
        lift = np.zeros((n_S, model.vehicle_factors)), np.zeros((n_P, model.vehicle_factors))
        if self.wanted:
            features = self._features(events, self._train.as_of)
            product_PK[:, :-1] = features.product_PK
            if model.vehicle_factors:
                vehicle, product, mean_P = factorise_lift(
                    weights.paths.lift(features, self._fitting), model.vehicle_factors, seed
                )
                lift, product_PK[:, -1] = (vehicle, product), mean_P.astype(np.float32)
        items = self._item_graph(events, model.item_factors)
        items = replace(items, near_PP=items.near_PP.astype(np.float32), follows_PP=items.follows_PP.astype(np.float32))
        single = (lift[0].astype(np.float32), lift[1].astype(np.float32), product_PK, items.left_PI, items.right_PI)
        smooth = self._spectral(events, counts=False)
        none = Factors(*single, smooth.in_PF, smooth.out_PF, self._fitment(counts=False))
        return self.reweighed(Constants(none, items, self.score_weights(weights)), events, weights)

    def reweighed(self, made: Constants, events: Events, weights: Weights) -> Constants:
        """Constants of the same events and the same weights of the paths under other weights of a history."""
        counts, factors = weights.intent.by_name[SPECTRAL] != 0, made.factors
        if counts != bool(factors.in_PF.shape[1]):
            smooth = self._spectral(events, counts)
            factors = replace(factors, in_PF=smooth.in_PF, out_PF=smooth.out_PF)
        factors = replace(factors, fitment_PA=self._fitment(counts=weights.intent.by_name[FITMENT] != 0))
        return Constants(factors, made.items, self.score_weights(weights))

    def score_weights(self, weights: Weights) -> ScoreWeights:
        """How the score adds the constants up."""
        on = np.float32(self._settings.model.popularity_bias)
        lift, items, spectral, fitment = (weights.intent.by_name[n] for n in ("lift", "items", SPECTRAL, FITMENT))
        return ScoreWeights(
            cold_K=np.append(on * weights.paths.product_K, np.float32(1.0)),
            warm_K=np.concatenate(
                [on * weights.intent.product_K, np.zeros(len(COLD_FEATURES), np.float32), [lift]]
            ).astype(np.float32),
            warm_parts=np.array([lift, items, spectral, fitment], dtype=np.float32),
        )

    def _choices(self, features: PathFeatures, of: Evidence, rng: np.random.Generator) -> Choices:
        return choices(features, self._fitting, self._structure.owns_US, of, rng, self._settings.paths)

    def _evidence(self, events: Events) -> Evidence:
        return gather_evidence(events, self._structure.owns_US, self._fitting.n_products, self._settings.graph)

    def _features(self, events: Events, as_of: np.datetime64) -> PathFeatures:
        evidence = self._evidence(events)
        space_PI = item_space(
            self._fitting,
            evidence,
            self._train.part_type_P,
            rank=self._settings.paths.item_space_rank,
            attribute_weight=self._settings.model.item_attribute_weight,
            seed=self._settings.training.seed,
            names_PW=None if self._structure.names is None else self._structure.names.tfidf_PW,
        )
        age_days = (micros(as_of) - events.ts_E) / MICROS_PER_DAY
        faded_E = (
            self._kinds[events.kind_E] / self._kinds.max() * np.exp(-age_days / self._settings.graph.decay_tau_days)
        )
        recent_P = np.bincount(events.product_E, weights=faded_E, minlength=self._fitting.n_products).astype(np.float64)
        owns_US, types_P = self._structure.owns_US, self._train.part_type_P
        return path_features(self._fitting, evidence, recent_P, owns_US, types_P, space_PI, self._settings.paths)

    def _item_graph(self, events: Events, rank: int) -> ItemGraph:
        shape = (len(self._train.user_ids), self._fitting.n_products)
        seen = events if self.wanted else events.take(np.zeros(0, dtype=np.int64))
        items = build_item_graph(
            seen,
            self._kinds[seen.kind_E],
            shape,
            self._settings.history,
            rank=rank,
            seed=self._settings.training.seed,
        )
        names, weight = self._structure.names, self._settings.graph.text_closeness
        if names is None or not self.wanted or not weight:
            return items
        # Beside the users, not in their factors: a product that nobody has taken yet is near by its name alone.
        return replace(items, near_PP=sparse.csr_matrix(items.near_PP + weight * names.alike_PP))

    def _spectral(self, events: Events, counts: bool) -> SpectralFactors:
        """Of no dimension where they count for nothing."""
        shape = (len(self._train.user_ids), self._fitting.n_products)
        if not counts:
            return SpectralFactors(*np.zeros((2, shape[1], 0), dtype=np.float32))
        return spectral_factors(events, shape, self._settings.model, self._settings.training.seed)

    def _fitment(self, *, counts: bool) -> NDArray[np.float32]:
        """Of no dimension where it counts for nothing."""
        return self._fitment_PA if counts else self._fitment_PA[:, :0]

    @cached_property
    def _fitment_PA(self) -> NDArray[np.float32]:
        rank, seed = self._settings.model.fitment_factors, self._settings.training.seed
        return fitment_vectors(self._structure.fits_SP, rank, seed)

    def _windows(self, choices: Events | None) -> Iterator[tuple[np.datetime64, Events]]:
        """Start and events of windows, the latest first: choices after the training moment, then the last windows
        before it, as long as any event is left."""
        train, length = self._train, np.timedelta64(self._settings.split.horizon_days, "D")
        if choices is not None and len(choices):
            if choices.ts_E.min() < micros(train.as_of):
                raise LeakageError(
                    f"graph model: choices before {train.as_of} are among what describes them; teach later ones only"
                )
            yield train.as_of, choices
        for k in range(1, self._settings.history.windows + 1):
            start = train.as_of - k * length
            if not len(train.events.between(None, start)):
                return
            yield start, train.events.between(start, start + length)

    def _hidden_pairs(self, paths: PathWeights) -> Window:
        """What users took of the share of their pairs that was hidden, as of the training moment.

        What a user is known to have taken is no candidate: hidden pairs are others by construction, and would teach
        that nobody takes anything again.
        """
        train, rng = self._train, np.random.default_rng([self._settings.training.seed, _HIDDEN])
        hidden_E = hidden_events(train.events, self._fitting.n_products, self._settings.history.hidden_share, rng)
        past = replace(train, events=train.events.take(~hidden_E))
        features = self._features(past.events, train.as_of)
        window = self._window(past, train.as_of, train.events.take(hidden_E), features, paths, timeless=True)
        return replace(window, excluded_CP=window.queries_C.all_RP)

    def _window(
        self,
        past: Snapshot,
        start: np.datetime64,
        later: Events,
        features: PathFeatures,
        paths: PathWeights,
        *,
        timeless: bool,
    ) -> Window:
        """What users with a past did in one window; `timeless`: what they did that was hidden."""
        counted = [EVENT_TYPES.index(kind) for kind in self._settings.evaluation.positive_events]
        known_U = np.zeros(len(self._train.user_ids), dtype=bool)
        known_U[past.events.user_E] = True
        after = later.take(np.isin(later.kind_E, counted) & known_U[later.user_E])
        n_P = self._fitting.n_products
        user_C, row_E = np.unique(after.user_E, return_inverse=True)
        pairs = add_up(row_E.astype(np.int64), after.product_E, self._kinds[after.kind_E] / self._kinds.max(), n_P)
        shape = (len(user_C), n_P)
        row_U = np.full(len(known_U), -1, dtype=np.int64)
        row_U[user_C] = np.arange(len(user_C))
        history = _rows_of(past.events, row_U)
        bought = history.take(history.kind_E == ORDER) if self._settings.evaluation.new_products_only else None
        tau_days = self._settings.graph.decay_tau_days
        return Window(
            queries_C=history_queries(history, self._kinds, shape, start, tau_days),
            owns_CS=sparse.csr_matrix(self._structure.owns_US[user_C]),
            taken_CP=sparse.csr_matrix((pairs.weight_K, (pairs.user_K, pairs.product_K)), shape=shape),
            excluded_CP=_marked(bought, shape),
            items=self._item_graph(past.events, self._settings.model.item_factors),
            spectral=self._spectral(past.events, self._settings.model.spectral_in_windows or timeless),
            fitment_PA=self._fitment_PA,
            lift_SP=paths.lift(features, self._fitting),
            product_PK=features.product_PK[:, : len(PRODUCT_FEATURES)],
            fits_SP=self._structure.fits_SP,
        )


def _rows_of(events: Events, row_U: Int) -> Events:
    """Events of the users that have a row, with the row in place of the user."""
    kept = events.take(row_U[events.user_E] >= 0)
    return Events(**(vars(kept) | {"user_E": row_U[kept.user_E]}))


def _marked(events: Events | None, shape: tuple[int, int]) -> sparse.csr_matrix:
    if events is None:
        return sparse.csr_matrix(shape)
    ones: NDArray[np.float64] = np.ones(len(events))
    return sparse.csr_matrix((ones, (events.user_E, events.product_E)), shape=shape)

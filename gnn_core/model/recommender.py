"""The graph model as a Recommender: fit on a snapshot, score any audience, hand out vectors and checkpoints.

What belongs here: tying plan, network and trainer together, and serving. What does not: each of those.

Shape letters: A audience rows, P products, O output, S segments.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse

from gnn_core.config import Settings
from gnn_core.errors import ArtifactError, ShapeError
from gnn_core.explanation.shares import PathShares
from gnn_core.graph.interactions import add_up, event_weights, kind_weights
from gnn_core.model.explain import history_shares
from gnn_core.model.history import HistoryQueries, history_queries, history_terms
from gnn_core.model.inputs import queries
from gnn_core.model.intent import IntentWeights
from gnn_core.model.network import Encoded, Network
from gnn_core.model.preference import PathWeights
from gnn_core.recommender import Audience, Recommender
from gnn_core.snapshot import Events, Int, Snapshot
from gnn_core.training.checkpoint import FORMAT, MODEL, OPTIMIZER, Checkpoint, fingerprint
from gnn_core.training.constants import Weights
from gnn_core.training.determinism import pick_device, pinned
from gnn_core.training.plan import Plan, build_plan
from gnn_core.training.stored_constants import CONSTANTS, from_tensors, to_tensors
from gnn_core.training.trainer import Progress, Trainer
from gnn_core.training.warm_start import Rows, start_from, table_rows

logger = logging.getLogger(__name__)
READ_OUT_ROWS = 16_384
"""Audience rows that are read out at once: bounds the memory of a wide encoder at 100K rows."""
LEAST_ROWS = 16
"""Fewer rows are filled up to these: products of 1 to 3 rows were seen to round differently from larger ones, and what
a user is shown must not depend on who else is scored beside them."""


class GraphRecommender:
    """A Recommender, name `graph`."""

    name = "graph"

    def __init__(
        self,
        settings: Settings,
        *,
        max_steps: int | None = None,
        start: str | None = None,
        validator: Callable[[Recommender], float] | None = None,
        checkpoint_dir: Path | None = None,
        warm_start: Checkpoint | None = None,
        progress: Progress | None = None,
    ) -> None:
        """Set up; nothing is computed before `fit`.

        Args:
            settings: whole configuration; `graph`, `model` and `training` are read.
            max_steps: gradient steps, in place of `training.max_steps`; 0 keeps the initialisation.
            start: where the search for the weights of a history begins (training/constants.py); None = the best by
                `validator`, or without one by what earlier windows say.
            validator: value of this recommender on validation users, higher is better (Recall@10). With it, training
                stops early and the best state is kept, the initialisation (step 0) included. Without it, exactly
                `max_steps` steps are made.
            checkpoint_dir: where a killed run finds its state again; None = no resume.
            warm_start: last week's checkpoint, used when `training.keep_embeddings_warm`.
            progress: called after each step with (step, max_steps, loss).
        """
        self._settings = settings
        self._max_steps = settings.training.max_steps if max_steps is None else max_steps
        self._start, self._validator, self._progress = start, validator, progress
        self._checkpoint_dir = checkpoint_dir
        self._warm_start = warm_start if settings.training.keep_embeddings_warm else None
        self._device = pick_device(settings.training.device)
        self._choices: Events | None = None
        self._plan: Plan | None = None
        self._network: Network | None = None
        self._encoded: Encoded | None = None
        self._rows: Rows = {}
        self._moments: dict[str, torch.Tensor] = {}
        self._user_AO: torch.Tensor | None = None
        self._asked: HistoryQueries | None = None
        self.history: list[dict[str, Any]] = []
        """One entry a validation: step, loss, validation_recall_at_10 (None without a validator), seconds, and `draws`,
        the number of usable negatives of each kind since the entry before."""
        self.best_step = 0
        """Step whose weights are kept; 0 = no step beat the initialisation."""

    def teach(self, choices: Events) -> None:
        """Let the next `fit` learn the weights of paths and of a history from these choices too; see `Taught`."""
        self._choices = choices

    def fit(self, train: Snapshot) -> None:
        """Learn from `train`. Deterministic on the CPU for a seed, on any number of cores.

        Raises:
            DataError: nothing to learn from.
            DivergedError: training produced a NaN.
            ArtifactError: the warm start was made with other model settings, or nothing gives the asked start.
            LeakageError: a choice that teaches lies before `train.as_of`.
        """
        training = self._settings.training
        with pinned(training.threads, training.seed):
            plan = build_plan(
                train,
                self._settings,
                self._device,
                start=self._start,
                choices=self._choices,
                value_of=None if self._validator is None else lambda plan: self._untrained(plan, train),
                folds=self._max_steps > 0,
            )
            self._set_up(plan, train)
            network = self._network
            assert network is not None
            moments = self._started_warm(network)
            trainer = Trainer(
                network,
                plan.folds,
                training,
                max_steps=self._max_steps,
                validate=None if self._validator is None else self._validate,
                device=self._device,
                progress=self._progress,
                state_file=self._state_file(plan),
            )
            trainer.load_optimizer(moments)
            trainer.run()
            self.history, self.best_step = trainer.history, trainer.best_step
            self._moments = trainer.optimizer_tensors()
            self._encode()
        plan.folds.clear()

    def prepare(self, audience: Audience) -> None:
        """Read out the audience's vectors; `score_block` is then a matrix product, and what a history adds to it."""
        self._user_AO = torch.from_numpy(self.user_vectors(audience)).to(self._device)
        self._product_PO = torch.from_numpy(self.product_vectors()).to(self._device)
        self._asked = self._histories(audience) if self._settings.model.sparse_terms else None

    def score_block(self, start: int, stop: int) -> NDArray[np.float32]:
        """(stop − start, P) scores of rows of the prepared audience."""
        if self._user_AO is None:
            raise ShapeError("graph: score_block before prepare")
        with pinned(self._settings.training.threads, self._settings.training.seed), torch.no_grad():
            asked = self._user_AO[start:stop]
            filled = torch.nn.functional.pad(asked, (0, 0, 0, max(0, LEAST_ROWS - len(asked))))
            scores = (filled @ self._product_PO.T)[: len(asked)].cpu().numpy()
        if self._asked is not None:
            self._add_terms(scores, self._asked, start, stop)
        return scores

    def path_shares(self, row_N: Int, product_N: Int) -> PathShares:
        """What each kind of path adds to the score of single cells of the prepared audience; see explanation/.

        Raises:
            ShapeError: no audience is prepared.
        """
        if self._user_AO is None:
            raise ShapeError("graph: path_shares before prepare")
        plan, blocks = self._plan, self.vector_blocks()
        assert plan is not None
        user_NO, product_NO = (
            side[torch.from_numpy(index)].cpu().numpy().astype(np.float64)
            for side, index in ((self._user_AO, row_N), (self._product_PO, product_N))
        )
        part_NO = user_NO * product_NO
        # The mean lift of a product stands last among its features, beside the vehicles' difference from it.
        owners_N = part_NO[:, slice(*blocks["vehicles"])].sum(axis=1) + part_NO[:, blocks["popularity"][1] - 1]
        through_N = part_NO[:, blocks["items"][0] : blocks["fitment"][1]].sum(axis=1)
        own_N, nothing = np.zeros(len(row_N)), np.zeros(0, dtype=np.int64)
        if self._asked is None:
            return PathShares(own_N, owners_N, through_N, nothing, nothing, np.zeros(0))
        own_N, cell_J, via_J, share_J = history_shares(
            self._asked, plan.constants.items, plan.weights.intent.term_T, row_N, product_N
        )
        through_N = through_N + np.bincount(cell_J, weights=share_J, minlength=len(row_N))
        return PathShares(own_N, owners_N, through_N, cell_J, via_J, share_J)

    def _histories(self, audience: Audience) -> HistoryQueries | None:
        plan, graph = self._plan, self._settings.graph
        assert plan is not None
        if not len(audience.history):
            return None
        shape = (len(audience), len(plan.graph.product_ids))
        return history_queries(audience.history, kind_weights(graph), shape, audience.as_of, graph.decay_tau_days)

    def _add_terms(self, scores: NDArray[np.float32], asked: HistoryQueries, start: int, stop: int) -> None:
        """Add the weighted terms of rows with history, in place."""
        plan = self._plan
        assert plan is not None
        row = start + np.flatnonzero(np.diff(asked.all_RP.indptr)[start:stop])
        if not len(row):
            return
        terms = history_terms(asked.rows(row), plan.constants.items)
        for weight, term in zip(plan.weights.intent.term_T, terms, strict=True):
            entry = np.repeat(row - start, np.diff(term.indptr))
            scores[entry, term.indices] += weight * term.data.astype(np.float32)

    def product_vectors(self) -> NDArray[np.float32]:
        """(P, O + 1) of [c_p, p/|p|, b_p]: with `user_vectors` one inner product, which a vector index can serve."""
        encoded = self._fitted()[1]
        return torch.cat([encoded.product_PO, encoded.bias_P[:, None]], dim=1).cpu().numpy()

    def likeness_vectors(self) -> NDArray[np.float64]:
        """(P, D + I) unit vectors whose inner product says how alike two products are: the parts of c_p that tell one
        user from another, which are the factors of the vehicles' lift and of the item graph, as the score weighs them.

        Left out is what says how good a product is for everyone: with popularity and bias in it, hardly any two listed
        products are below a cosine of .9, whatever they are for (`gnn bench diversity`, likeness). So is p/|p|: a
        product of little evidence points at its slack, and all such products would be one.
        """
        self._fitted()
        assert self._plan is not None
        factors = self._plan.constants.factors
        told = np.concatenate([factors.product_PD, factors.right_PI], axis=1).astype(np.float64)
        length_P = np.sqrt(np.square(told).sum(axis=1, keepdims=True))
        return np.divide(told, length_P, out=np.zeros_like(told), where=length_P > 0)

    def user_vectors(self, audience: Audience) -> NDArray[np.float32]:
        """(A, O + 1) of [c_u, s · u/|u|, 1], from vehicles and history alone: new users need no retraining.

        Raises:
            ShapeError: the audience was built for other segments or products.
        """
        network, encoded = self._fitted()
        plan = self._plan
        assert plan is not None
        n_P, n_S = len(plan.graph.product_ids), len(plan.graph.segment_ids)
        if audience.owns_AS.shape[1] != n_S:
            raise ShapeError(f"graph: audience has {audience.owns_AS.shape[1]} segments, the fitted graph {n_S}")
        ev = audience.history
        weight = event_weights(ev, audience.as_of, self._settings.graph)
        pairs = add_up(ev.user_E, ev.product_E, weight, n_P)
        history = sparse.csr_matrix((pairs.weight_K, (pairs.user_K, pairs.product_K)), shape=(len(audience), n_P))
        row_A = np.where(audience.user_A >= 0, plan.user_row_U[audience.user_A], -1)
        blocks = []
        with pinned(self._settings.training.threads, self._settings.training.seed), torch.no_grad():
            for start in range(0, len(audience), READ_OUT_ROWS):
                rows = slice(start, start + READ_OUT_ROWS)
                n = len(row_A[rows])
                parts = (_filled(audience.owns_AS[rows]), _filled(history[rows]))
                row_Q = np.pad(row_A[rows], (0, max(0, LEAST_ROWS - n)), constant_values=-1)
                blocks.append(network.read_users(encoded, queries(*parts, row_Q).to(self._device))[:n].cpu().numpy())
        width = encoded.product_PO.shape[1]
        vectors = np.concatenate(blocks) if blocks else np.zeros((0, width), np.float32)
        return np.concatenate([vectors, np.ones((len(vectors), 1), np.float32)], axis=1)

    def vector_blocks(self) -> dict[str, tuple[int, int]]:
        """Which columns of `product_vectors` and `user_vectors` are what: first and last + 1 of each part."""
        _, encoded = self._fitted()
        assert self._plan is not None
        sizes = {
            "vehicles": self._settings.model.vehicle_factors,
            "popularity": encoded.graph.cold_K.shape[0],
            "items": self._settings.model.item_factors,
            "spectral": self._plan.constants.factors.in_PF.shape[1],
            "fitment": self._plan.constants.factors.fitment_PA.shape[1],
        }
        ends = np.cumsum([0, *sizes.values(), encoded.product_PO.shape[1] - sum(sizes.values()), 1]).tolist()
        return dict(zip((*sizes, "learned", "bias"), itertools.pairwise(ends), strict=True))

    @property
    def device(self) -> str:
        """Kind of device that it is fitted on and scores with, `cpu` or `cuda`: what `auto` came to."""
        return self._device.type

    @property
    def start(self) -> str:
        """Where the search for the weights of a history began (training/constants.py)."""
        self._fitted()
        assert self._plan is not None
        return self._plan.weights.start

    @property
    def worth(self) -> dict[str, float]:
        """Of each start among which validation chose: value before any step. Empty where there was no choice."""
        self._fitted()
        assert self._plan is not None
        return dict(self._plan.worth)

    def path_weights(self) -> list[dict[str, Any]]:
        """What each path and term counts for in the score: feature, without_history, with_history (None = no part)."""
        self._fitted()
        assert self._plan is not None
        cold, warm = self._plan.weights.paths.by_name, self._plan.weights.intent.by_name
        return [
            {"feature": name, "without_history": cold.get(name), "with_history": warm.get(name)}
            for name in dict.fromkeys((*cold, *warm))
        ]

    def to_checkpoint(self) -> Checkpoint:
        """Weights, moments, constants, and what they belong to; without wall times, so that equal runs are equal."""
        network, plan = self._fitted()[0], self._plan
        assert plan is not None
        tensors = {MODEL + name: t.detach().cpu() for name, t in network.state_dict().items()}
        tensors |= {OPTIMIZER + name: t.cpu() for name, t in self._moments.items()}
        tensors |= to_tensors(plan.constants)
        meta = {
            "format": FORMAT,
            "model": asdict(self._settings.model),
            "rows": self._rows,
            "graph": plan.graph.digest(),
            "as_of": str(plan.graph.as_of),
            "path_weights": dict(plan.weights.paths.by_name),
            "intent_weights": dict(plan.weights.intent.by_name),
            "start": plan.weights.start,
            "best_step": self.best_step,
            "history": [{k: v for k, v in entry.items() if k != "seconds"} for entry in self.history],
        }
        return Checkpoint(tensors, meta)

    @classmethod
    def from_checkpoint(cls, checkpoint: Checkpoint, train: Snapshot, settings: Settings) -> GraphRecommender:
        """The recommender as it was fitted, without training.

        Args:
            checkpoint: what `to_checkpoint` gave.
            train: the snapshot that it was fitted on; the graph is built again from it, the constants are not.
            settings: the configuration that it was fitted with.
        Raises:
            ArtifactError: snapshot or model settings are not those of the checkpoint.
        """
        loaded = cls(settings, max_steps=0)
        if checkpoint.meta["model"] != asdict(settings.model):
            raise ArtifactError("checkpoint: made with other model settings; fit again")
        with pinned(settings.training.threads, settings.training.seed):
            meta = checkpoint.meta
            paths, intent = PathWeights(meta["path_weights"]), IntentWeights(meta["intent_weights"])
            weights = Weights(paths, intent, meta["start"])
            known = from_tensors(checkpoint.part(CONSTANTS))
            plan = build_plan(train, settings, loaded._device, weights=weights, known=known, folds=False)
            if plan.graph.digest() != checkpoint.meta["graph"]:
                raise ArtifactError(
                    f"checkpoint: fitted on another graph (as of {checkpoint.meta['as_of']}) than the snapshot as of "
                    f"{train.as_of} gives; pass the snapshot that it was fitted on, or fit again"
                )
            loaded._set_up(plan, train)
            assert loaded._network is not None
            loaded._network.load_state_dict(checkpoint.part(MODEL))
            loaded._moments = checkpoint.part(OPTIMIZER)
            loaded.best_step, loaded.history = checkpoint.meta["best_step"], checkpoint.meta["history"]
            loaded._encode()
        return loaded

    def _untrained(self, plan: Plan, train: Snapshot) -> float:
        training = self._settings.training
        with pinned(training.threads, training.seed):  # as at the start of a fit, whatever was tried before
            self._set_up(plan, train)
            return self._validate()

    def _set_up(self, plan: Plan, train: Snapshot) -> None:
        self._plan = plan
        self._network = Network(plan.sizes, self._settings.model).to(self._device)
        self._rows = table_rows(train, plan.graph, self._network)

    def _started_warm(self, network: Network) -> dict[str, torch.Tensor]:
        if self._warm_start is None:
            return {}
        return start_from(self._warm_start, network, self._rows, asdict(self._settings.model))

    def _state_file(self, plan: Plan) -> Path | None:
        if self._checkpoint_dir is None:
            return None
        parts = {
            "graph": plan.graph.digest(),
            "settings": [asdict(s) for s in (self._settings.graph, self._settings.model, self._settings.training)],
            "weights": [dict(plan.weights.paths.by_name), dict(plan.weights.intent.by_name)],
            "max_steps": self._max_steps,
            "validated": self._validator is not None,
            "warm": None if self._warm_start is None else self._warm_start.digest(),
        }
        return self._checkpoint_dir / f"training_{fingerprint(parts)}.safetensors"

    def _validate(self) -> float:
        self._encode()
        assert self._validator is not None
        return float(self._validator(self))

    def _encode(self) -> None:
        assert self._network is not None
        assert self._plan is not None
        self._network.eval()
        with torch.no_grad():
            self._encoded = self._network.encode(self._plan.inputs)
        self._user_AO = None

    def _fitted(self) -> tuple[Network, Encoded]:
        if self._network is None or self._encoded is None:
            raise ArtifactError("graph: not fitted; call fit() or from_checkpoint() first")
        return self._network, self._encoded


def _filled(rows: sparse.csr_matrix) -> sparse.csr_matrix:
    """At least LEAST_ROWS rows, the added ones empty."""
    rows.resize((max(rows.shape[0], LEAST_ROWS), rows.shape[1]))
    return rows

"""From a snapshot to what a run needs: the graph of everything, and one graph per fold without that fold's users.

What belongs here: assembling graphs, constants and examples. What does not: gradient steps (trainer.py).

Shape letters: U users, E events, P products.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray

from gnn_core.config import Settings
from gnn_core.errors import DataError
from gnn_core.graph.features import PRODUCT_FEATURES
from gnn_core.graph.hetero import EdgeType, HeteroGraph, Structure, build_graph, build_structure
from gnn_core.graph.interactions import kind_weights
from gnn_core.model.edges import Edges
from gnn_core.model.factors import Factors
from gnn_core.model.inputs import GraphInputs, graph_inputs
from gnn_core.model.item_graph import ItemGraph
from gnn_core.model.network import TableSizes
from gnn_core.snapshot import Events, Int, Snapshot
from gnn_core.training.batches import BatchMaker
from gnn_core.training.constants import ConstantMaker, Constants, Weights
from gnn_core.training.distributed import present as present_processes
from gnn_core.training.examples import build_examples, event_log, fold_of_users
from gnn_core.training.negatives import NegativeSampler
from gnn_core.training.trainer import Fold

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Plan:
    """The served graph and the training folds of one snapshot."""

    graph: HeteroGraph
    inputs: GraphInputs
    constants: Constants
    """Of everything that is known; histories ask the item graph among them when users are scored."""
    weights: Weights
    """Of the paths."""
    user_row_U: Int
    """Row of each user in the table of user ids: users with an event, by id; -1 for the others."""
    folds: list[Fold]
    worth: Mapping[str, float] = field(default_factory=dict)
    """On validation users, of each start that was to choose from, before any gradient step."""

    @property
    def sizes(self) -> TableSizes:
        """Rows of the network's embedding tables."""
        graph = self.graph
        return TableSizes(
            products=len(graph.product_ids),
            segments=len(graph.segment_ids),
            makes=len(graph.make_ids),
            part_types=len(graph.part_types),
            users=len(graph.user_ids),
            names=graph.data["product"].x.shape[1] - len(PRODUCT_FEATURES),
        )


class _Assembler:
    """What all graphs of one snapshot share."""

    def __init__(self, train: Snapshot, settings: Settings, device: torch.device) -> None:
        self.train, self.settings, self.device = train, settings, device
        self.structure: Structure = build_structure(train, settings.graph.text_features)
        self.maker = ConstantMaker(train, settings, self.structure)
        self.shared: dict[EdgeType, Edges] = {}
        active = np.unique(train.events.user_E)
        self.user_row_U = np.full(len(train.user_ids), -1, dtype=np.int64)
        self.user_row_U[active] = np.arange(len(active))

    def served(self, weights: Weights, known: tuple[Factors, ItemGraph] | None) -> Plan:
        graph = build_graph(self.train, self.settings.graph, self.structure)
        if known is None:
            constants = self.maker.make(self.train.events, weights)
        else:
            constants = Constants(*known, self.maker.score_weights(weights))
        return Plan(graph, self._inputs(graph, constants), constants, weights, self.user_row_U, [])

    def reweighed(self, plan: Plan, weights: Weights) -> Plan:
        constants = self.maker.reweighed(plan.constants, self.train.events, weights)
        return replace(plan, inputs=self._inputs(plan.graph, constants), constants=constants, weights=weights)

    def fold(self, keep_E: NDArray[np.bool_], weights: Weights) -> GraphInputs:
        visible = replace(self.train, events=self.train.events.take(keep_E))
        graph = build_graph(visible, self.settings.graph, self.structure)
        return self._inputs(graph, self.maker.make(visible.events, weights))

    def _inputs(self, graph: HeteroGraph, constants: Constants) -> GraphInputs:
        inputs = graph_inputs(graph, constants.factors, constants.score, self.user_row_U, self.shared).to(self.device)
        self.shared = inputs.fitment_edges
        return inputs


def build_plan(
    train: Snapshot,
    settings: Settings,
    device: torch.device,
    *,
    weights: Weights | None = None,
    known: tuple[Factors, ItemGraph] | None = None,
    start: str | None = None,
    choices: Events | None = None,
    value_of: Callable[[Plan], float] | None = None,
    folds: bool = True,
) -> Plan:
    """Graphs, constants and examples of a snapshot.

    Args:
        train: cut at the moment of training.
        settings: whole configuration.
        device: where tensors live.
        weights: of the paths, to take over from an earlier fit; None = learn them from earlier choices.
        known: factors and item graph of the whole snapshot, to take over likewise; None = compute them.
        start: where the search for the weights of a history begins (training/constants.py); None = the one whose end
            is worth most, at a tie the first.
        choices: made after the snapshot's moment; they teach weights, and nothing is counted of them. None = none.
        value_of: worth of a plan without folds on validation users; None = earlier choices alone decide.
        folds: False leaves out what only training needs.
    Raises:
        DataError: there is no event to learn from, no user with an event owns a vehicle, or no product fits anything.
    """
    ev = train.events
    if not len(ev):
        raise DataError(f"graph model: no event before {train.as_of}; popularity and taste are unknown. Serve SQL.")
    if not kind_weights(settings.graph)[ev.kind_E].any():
        raise DataError(f"graph model: graph.event_weights gives weight 0 to every event before {train.as_of}")
    if not train.fits_VP.nnz or not train.owns_UV.nnz:
        raise DataError("graph model: no fitment or no ownership rows; there is nothing to recommend by vehicle")
    shop = _Assembler(train, settings, device)
    training = settings.training
    fold_U = fold_of_users(train.user_ids, training.folds, training.seed)
    hidden_E = fold_U[ev.user_E]
    present = [k for k in range(training.folds) if (hidden_E == k).any() and not (hidden_E == k).all()]
    offered = shop.maker.learn(fold_U, present, start, choices) if weights is None else [weights]
    plan = shop.served(offered[0], known)
    if value_of is not None and len(offered) > 1:
        plan = _worth_most([plan, *(shop.reweighed(plan, others) for others in offered[1:])], value_of)
    logger.info("graph %s, weights of a history from %s", plan.graph.summary(), plan.weights.start)
    if folds:
        plan.folds.extend(_folds(shop, hidden_E, present, plan.weights))
        if not plan.folds:
            raise DataError("graph model: all events are one user's; training needs users to hold out")
    return plan


def _worth_most(plans: Sequence[Plan], value_of: Callable[[Plan], float]) -> Plan:
    """The first best, with the worth of each start."""
    processes = present_processes()
    worth = [processes.from_first(partial(value_of, plan), f"worth of {plan.weights.start}") for plan in plans]
    best = plans[worth.index(max(worth))]
    return replace(best, worth={plan.weights.start: value for plan, value in zip(plans, worth, strict=True)})


def _folds(shop: _Assembler, hidden_E: Int, present: list[int], weights: Weights) -> list[Fold]:
    train, settings = shop.train, shop.settings
    kinds = kind_weights(settings.graph)
    log = event_log(train, kinds, settings.graph.decay_tau_days)
    examples = build_examples(train, log, kinds, settings.training.loss_tau_days)
    fold_U = fold_of_users(train.user_ids, settings.training.folds, settings.training.seed)
    made = []
    for k in present:
        supervised = examples.take((fold_U[examples.user_N] == k) & (examples.weight_N > 0))
        if not len(supervised):
            continue
        inputs = shop.fold(hidden_E != k, weights)
        visible = train.events.take(hidden_E != k)
        taken_P = np.bincount(
            visible.product_E, weights=kinds[visible.kind_E] / kinds.max(), minlength=len(train.product_ids)
        )
        batches = BatchMaker(
            settings.training,
            supervised,
            log,
            shop.structure.owns_US,
            NegativeSampler(train, taken_P.astype(np.float64)),
            shop.user_row_U,
            len(train.product_ids),
        )
        made.append(Fold(inputs, batches))
    return made

"""From a snapshot to what a run needs: the graph of everything, and one graph per fold without that fold's users.

What belongs here: assembling graphs, factors and examples. What does not: gradient steps (trainer.py).

Shape letters: U users, E events, P products.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from gnn_core.config import Settings
from gnn_core.errors import DataError
from gnn_core.graph.hetero import EdgeType, HeteroGraph, Structure, build_graph, build_structure
from gnn_core.graph.interactions import kind_weights
from gnn_core.model.edges import Edges
from gnn_core.model.factors import Factors, compute_factors
from gnn_core.model.inputs import GraphInputs, graph_inputs
from gnn_core.model.network import TableSizes
from gnn_core.model.shrinkage import Evidence, Fitting, Strengths, choose_strengths, gather_evidence
from gnn_core.snapshot import Int, Snapshot
from gnn_core.training.batches import BatchMaker
from gnn_core.training.examples import build_examples, event_log, fold_of_users
from gnn_core.training.negatives import NegativeSampler
from gnn_core.training.trainer import Fold

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Plan:
    """The served graph and the training folds of one snapshot."""

    graph: HeteroGraph
    inputs: GraphInputs
    strengths: Strengths
    """Prior strengths of the vehicle factors, in orders."""
    user_row_U: Int
    """Row of each user in the table of user ids: users with an event, by id; -1 for the others."""
    folds: list[Fold]

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
        )


class _Assembler:
    """What all graphs of one snapshot share."""

    def __init__(self, train: Snapshot, settings: Settings, device: torch.device) -> None:
        self.train, self.settings, self.device = train, settings, device
        self.structure: Structure = build_structure(train)
        fits = self.structure.fits_SP
        segment_F = np.repeat(np.arange(fits.shape[0]), np.diff(fits.indptr))
        self.fitting = Fitting(segment_F, fits.indices.astype(np.int64), train.make_S, fits.shape[1])
        self.shared: dict[EdgeType, Edges] = {}
        active = np.unique(train.events.user_E)
        self.user_row_U = np.full(len(train.user_ids), -1, dtype=np.int64)
        self.user_row_U[active] = np.arange(len(active))

    def evidence(self, keep_E: NDArray[np.bool_]) -> Evidence:
        events = self.train.events.take(keep_E)
        return gather_evidence(events, self.structure.owns_US, len(self.train.product_ids), self.settings.graph)

    def inputs(
        self, keep_E: NDArray[np.bool_], evidence: Evidence, strengths: Strengths
    ) -> tuple[HeteroGraph, GraphInputs]:
        visible = replace(self.train, events=self.train.events.take(keep_E))
        graph = build_graph(visible, self.settings.graph, self.structure)
        inputs = graph_inputs(graph, self._factors(evidence, strengths), self.user_row_U, self.shared).to(self.device)
        self.shared = inputs.fitment_edges
        return graph, inputs

    def _factors(self, evidence: Evidence, strengths: Strengths) -> Factors:
        model = self.settings.model
        return compute_factors(
            self.fitting,
            evidence,
            self.train.part_type_P,
            strengths=strengths,
            vehicle_rank=model.vehicle_factors,
            item_rank=model.item_factors,
            attribute_weight=model.item_attribute_weight,
            seed=self.settings.training.seed,
        )


def build_plan(
    train: Snapshot, settings: Settings, device: torch.device, *, strengths: Strengths | None = None, folds: bool = True
) -> Plan:
    """Graphs, factors and examples of a snapshot.

    Args:
        train: cut at the moment of training.
        settings: whole configuration.
        device: where tensors live.
        strengths: prior strengths to take over from an earlier fit; None = choose them on held-out users.
        folds: False leaves out what only training needs.
    Raises:
        DataError: there is no event to learn from, no user with an event owns a vehicle, or no product fits anything.
    """
    ev = train.events
    if not len(ev):
        raise DataError(f"graph model: no event before {train.as_of}; popularity and taste are unknown. Serve SQL.")
    if not train.fits_VP.nnz or not train.owns_UV.nnz:
        raise DataError("graph model: no fitment or no ownership rows; there is nothing to recommend by vehicle")
    shop = _Assembler(train, settings, device)
    training = settings.training
    everyone = np.ones(len(ev), dtype=bool)
    hidden_E = fold_of_users(train.user_ids, training.folds, training.seed)[ev.user_E]
    present = [k for k in range(training.folds) if (hidden_E == k).any() and not (hidden_E == k).all()]
    evidence = {k: shop.evidence(hidden_E != k) for k in (present if folds or strengths is None else [])}
    if strengths is None:
        strengths = choose_strengths(shop.fitting, [(evidence[k], shop.evidence(hidden_E == k)) for k in present])
    graph, inputs = shop.inputs(everyone, shop.evidence(everyone), strengths)
    logger.info("graph %s, %s", graph.summary(), strengths)
    plan = Plan(graph, inputs, strengths, shop.user_row_U, [])
    if folds:
        plan.folds.extend(_folds(shop, hidden_E, present, evidence, strengths))
        if not plan.folds:
            raise DataError("graph model: all events are one user's; training needs users to hold out")
    return plan


def _folds(
    shop: _Assembler, hidden_E: Int, present: list[int], evidence: dict[int, Evidence], strengths: Strengths
) -> list[Fold]:
    train, settings = shop.train, shop.settings
    kinds = kind_weights(settings.graph)
    log = event_log(train, kinds, settings.graph.decay_tau_days)
    examples = build_examples(train, log, kinds, settings.training.loss_tau_days)
    fold_U = fold_of_users(train.user_ids, settings.training.folds, settings.training.seed)
    made = []
    for k in present:
        _, inputs = shop.inputs(hidden_E != k, evidence[k], strengths)
        supervised = examples.take((fold_U[examples.user_N] == k) & (examples.weight_N > 0))
        if not len(supervised):
            continue
        sampler = NegativeSampler(train, evidence[k].by_product_P)
        batches = BatchMaker(
            settings.training, supervised, log, shop.structure.owns_US, sampler, shop.user_row_U, len(train.product_ids)
        )
        made.append(Fold(inputs, batches))
    return made

"""Carrying last week's weights to this week's entities.

What belongs here: which table is keyed by which id, and from where a new row starts.
What does not: the file format and row arithmetic (checkpoint.py).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import torch

from gnn_core.errors import ArtifactError
from gnn_core.graph.hetero import HeteroGraph
from gnn_core.model.network import Network
from gnn_core.snapshot import Snapshot
from gnn_core.training.checkpoint import MODEL, OPTIMIZER, Checkpoint, carry_moments, carry_rows

logger = logging.getLogger(__name__)
Rows = dict[str, dict[str, list[str]]]
"""Table name → {"ids": entity of each row, "groups": from whose mean a new row of that group starts}."""


def table_rows(train: Snapshot, graph: HeteroGraph, network: Network) -> Rows:
    """The entities of every embedding table of the network.

    User ids are listed only when users have rows; a checkpoint should not hold them for nothing.
    """
    segments, makes, types = (list(map(str, ids)) for ids in (graph.segment_ids, graph.make_ids, graph.part_types))
    rows: Rows = {
        "part_type.weight": {"ids": types, "groups": [""] * len(types)},
        "make.weight": {"ids": makes, "groups": [""] * len(makes)},
        "vehicle_id.weight": {"ids": segments, "groups": [makes[m] for m in train.make_S]},
    }
    if network.product_id is not None:
        products = list(map(str, graph.product_ids))
        rows["product_id.weight"] = {"ids": products, "groups": [types[t] for t in train.part_type_P]}
    if network.user_id is not None:
        owned = train.owns_US[graph.user_A]
        firsts = [
            segments[owned.indices[start]] if stop > start else ""
            for start, stop in zip(owned.indptr[:-1], owned.indptr[1:], strict=True)
        ]
        rows["user_id.weight"] = {"ids": list(map(str, graph.user_ids)), "groups": firsts}
    return rows


def start_from(previous: Checkpoint, network: Network, rows: Rows, model_settings: Mapping[str, Any]) -> dict:
    """Load the previous weights into `network`; rows of tables go by entity id.

    Returns:
        Optimizer moments that still belong to somebody, as `Trainer.load_optimizer` takes them.
    Raises:
        ArtifactError: the previous checkpoint was made with other model settings, or other columns of products.
    """
    theirs = previous.meta["model"]
    differing = sorted(k for k in {*theirs, *model_settings} if theirs.get(k) != model_settings.get(k))
    if differing:
        raise ArtifactError(
            f"warm start: model settings {differing} differ from the checkpoint's; train from scratch once"
        )
    weights, moments = previous.part(MODEL), previous.part(OPTIMIZER)
    for name, now in network.state_dict().items():
        if name not in rows and weights[name].shape != now.shape:
            raise ArtifactError(
                f"warm start: {name} is {tuple(weights[name].shape)} in the checkpoint and {tuple(now.shape)} now; "
                "graph.text_features has changed: train from scratch once"
            )
    for table, named in rows.items():
        before = previous.meta["rows"][table]
        weights[table], source = carry_rows(
            weights[table], before["ids"], named["ids"], before["groups"], named["groups"]
        )
        logger.info("warm start %s: %d rows kept, %d new", table, int((source >= 0).sum()), int((source < 0).sum()))
        for name in [n for n in moments if n.rsplit("/", 1)[0] == table and moments[n].dim()]:
            moments[name] = carry_moments(moments[name], source)
    with torch.no_grad():
        network.load_state_dict(weights)
    return moments

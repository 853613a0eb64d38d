"""Which models stand in a store's table where none is named.

What belongs here: models by protocol. What does not: what a name means (variants.py), stores and shares (spec.py).

Every model runs under every protocol, but not everywhere does it tell anything: without a history those that read
histories answer as the smoother does, and where products fit everybody those that read vehicles are popularity.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from gnn_core.benchmark.figures import HISTORY_PEERS, WARM_PEERS
from gnn_core.benchmark.spec import COLD, LAST, SPLIT, WARM, kind_of
from gnn_core.benchmark.targets import DOT
from gnn_core.benchmark.variants import GRAPH, SIMPLE, SQL, expanded

NO_RIVALS = "graph_no_rivals"
"""The graph model without the path that hears of hidden users' first purchases where what somebody owns *is* one."""
DEFAULT_MODELS: Mapping[str, tuple[str, ...]] = {
    COLD: (SQL, "popularity", *SIMPLE, "hetero_gat", NO_RIVALS, GRAPH),
    WARM: (SQL, "popularity", *WARM_PEERS, GRAPH),
    LAST: ("popularity", *HISTORY_PEERS, DOT, GRAPH),
    SPLIT: ("popularity", DOT),
}
"""By kind of protocol. A split is published together with other models' figures on it, and its target is one inner
product's."""

SHUFFLED_COLD = 90
"""Percent of the owners hidden in the whole table's shuffled stores."""
SHUFFLED = tuple(m for m in DEFAULT_MODELS[COLD] if m != NO_RIVALS)
"""Models of the shuffled stores. The variant asks what a path hears of hidden users, whose events are exchanged."""


def models_for(store: str, source: Path) -> tuple[str, ...]:
    """The models of a store's table.

    Raises:
        DataError: the folder has no such data set.
    """
    return expanded(DEFAULT_MODELS[kind_of(store, source)])

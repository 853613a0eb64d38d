"""How much a user has shown of themselves: cold, warm or hot at a snapshot's moment, over all history."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gnn_core.snapshot import CART, Snapshot

TIERS = ("cold", "warm", "hot")
"""No event · views only · a cart or an order."""


def engagement_tiers(train: Snapshot) -> NDArray[np.object_]:
    """(U,) tier of every user from all events before `train.as_of`, historical orders included."""
    events = train.events.between(None, train.as_of)
    level = np.zeros(len(train.user_ids), dtype=np.int64)
    level[events.user_E] = 1
    level[events.user_E[events.kind_E >= CART]] = 2
    return np.array(TIERS, dtype=object)[level]

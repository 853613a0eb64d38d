"""The rollout's moves in the warehouse: rows are added and never changed.

What belongs here: reading and appending. What does not: which move is right (rollout.py).
"""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pyarrow as pa

from gnn_core.config import Settings
from gnn_core.contracts import TIMESTAMP
from gnn_core.errors import RolloutRefused
from gnn_core.experiment.rollout import Guard, Move
from gnn_core.io.warehouse import TableName, Warehouse

_S = pa.string()
LEDGER = pa.schema(
    [
        pa.field("sequence", pa.int64(), nullable=False),
        pa.field("at", TIMESTAMP, nullable=False),
        pa.field("action", _S, nullable=False),
        pa.field("from_share", pa.float64(), nullable=False),
        pa.field("to_share", pa.float64(), nullable=False),
        pa.field("by", _S, nullable=False),
        pa.field("reason", _S, nullable=False),
        pa.field("guards", _S, nullable=False),
        pa.field("needs_decision", pa.bool_(), nullable=False),
    ]
)


def rollout_table(settings: Settings) -> TableName:
    """`serving.<ledger>`."""
    return TableName(settings.warehouse.serving_dataset, settings.rollout.ledger)


def read_moves(warehouse: Warehouse, settings: Settings) -> list[Move]:
    """All moves, oldest first; empty when there is no ledger yet.

    Raises:
        RolloutRefused: the moves do not follow from one another: somebody changed the ledger by hand, or two wrote at
            the same moment.
    """
    table = rollout_table(settings)
    if not warehouse.exists(table):
        return []
    rows = warehouse.read(table, columns=LEDGER.names).to_pylist()
    moves = sorted((_move(row) for row in rows), key=lambda move: move.sequence)
    for place, move in enumerate(moves):
        before = moves[place - 1].to_share if place else move.from_share
        if move.sequence != place + 1 or move.from_share != before:
            raise RolloutRefused(
                f"{table}: move {move.sequence} ({move.action} from {move.from_share:.0%} by {move.by}) does not "
                f"follow from the one before it, which left {before:.0%}. Correct the ledger before anything moves"
            )
    return moves


def append_move(warehouse: Warehouse, settings: Settings, move: Move) -> None:
    """Add one move.

    Raises:
        RolloutRefused: it does not follow from what the ledger holds now: somebody else moved in between.
    """
    moves = read_moves(warehouse, settings)
    last = moves[-1] if moves else None
    if move.sequence != len(moves) + 1 or (last is not None and move.from_share != last.to_share):
        raise RolloutRefused(
            f"rollout: move {move.sequence} from {move.from_share:.0%} does not follow from the ledger, which holds "
            f"{len(moves)} move(s); somebody moved in between. Read it and decide again"
        )
    values: dict[str, Any] = {name: getattr(move, name) for name in LEDGER.names if name != "guards"}
    values["guards"] = json.dumps([dataclasses.asdict(guard) for guard in move.guards])
    warehouse.ensure_dataset(settings.warehouse.serving_dataset)
    table = rollout_table(settings)
    warehouse.load(table, pa.Table.from_pylist([values], schema=LEDGER), replace=not warehouse.exists(table))


def _move(row: dict[str, Any]) -> Move:
    guards = tuple(Guard(**guard) for guard in json.loads(row.pop("guards")))
    return Move(**row, guards=guards)

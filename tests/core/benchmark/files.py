"""Hand-made data sets of the published protocols, small enough to rank by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

CONFIG = Path(__file__).resolve().parents[3] / "configs" / "gnn_config.yaml"


def write_sequences(folder: Path, name: str, sequences: Mapping[int, Sequence[int]]) -> Path:
    """NAME_sequences.parquet from user → items in order."""
    rows = [(u, item, pos) for u, items in sequences.items() for pos, item in enumerate(items)]
    path = folder / f"{name}_sequences.parquet"
    pd.DataFrame(rows, columns=["user_id", "item_id", "pos"]).to_parquet(path, index=False)
    return path


def write_attributes(folder: Path, name: str, attributes: Mapping[int, Sequence[int]]) -> Path:
    """NAME_item_attributes.parquet from item → attributes."""
    rows = [(item, a) for item, found in attributes.items() for a in found]
    path = folder / f"{name}_item_attributes.parquet"
    pd.DataFrame(rows, columns=["item_id", "attr_id"]).to_parquet(path, index=False)
    return path


def write_split(folder: Path, name: str, train: Mapping[int, Sequence[int]], test: Mapping[int, Sequence[int]]) -> Path:
    """NAME.parquet from user → training items and user → test items."""
    rows = [(u, i, "train") for u, items in train.items() for i in items]
    rows += [(u, i, "test") for u, items in test.items() for i in items]
    path = folder / f"{name}.parquet"
    pd.DataFrame(rows, columns=["user_id", "item_id", "split"]).to_parquet(path, index=False)
    return path


def write_cold_store(folder: Path, name: str, *, users: int = 90, seed: int = 5) -> None:
    """A pair of files with two vehicle attributes of 60 products each, whose owners like the first 20 of theirs."""
    rng = np.random.default_rng(seed)
    write_attributes(folder, name, {item: [1 if item < 60 else 2] for item in range(120)})
    sequences = {}
    for user in range(users):
        first = 0 if rng.random() < 0.5 else 60
        liked = first + rng.choice(20, size=4, replace=False)
        sequences[user] = [int(i) for i in (*liked, first + 20 + rng.integers(40))]
    write_sequences(folder, name, sequences)

"""Which stores, which cold shares, which seeds: what one cell of the benchmark is about.

What belongs here: names → specs, the files behind a spec. What does not: reading the files (stores/public).
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gnn_core.benchmark.published import LAST_ITEM, REFIT, is_split
from gnn_core.errors import ConfigError, DataError
from gnn_core.stores.public.load import ATTRIBUTES, EVENTS, SEQUENCES, offered

COLD, WARM, LAST, SPLIT = "cold", "warm", "last_item", "split"
"""Kinds of protocols."""
COLD_SHARES = (50, 90, 98)
"""Percent of the owners hidden, as in the targets."""
FIRST_SEED = 7
"""Split seed of seed number 0; `gnn load` uses the same."""
REBUY = "_rebuy"
"""NAME_rebuy: invoices, products bought before are candidates and positives too."""
DEFAULT_STORES = (
    "sports",
    "beauty",
    "retailrocket",
    "online_retail",
    "online_retail_rebuy",
    "beauty_last_item",
    "sports_last_item",
    "beauty_last_item_refit",
    "sports_last_item_refit",
    "gowalla",
)
"""The stores of the targets; those that the folder lacks are named and left out."""


@dataclass(frozen=True, order=True)
class Spec:
    """One store under one protocol, cold share and seed."""

    store: str
    kind: str
    cold: int
    """Percent of the owners hidden; 0 where the protocol has no such share."""
    seed: int
    """0, 1, 2 …: draws another split where the protocol draws one; elsewhere it is added to `training.seed`."""
    shuffled: bool = False
    """Users' events exchanged: nothing about a user tells what they do next."""

    @property
    def cell(self) -> str:
        """Store and share, without the seed: what figures are about."""
        share = f"_cold{self.cold}" if self.kind == COLD else ""
        return f"{self.store}{share}{'_shuffled' if self.shuffled else ''}"

    def as_json(self) -> dict:
        """Plain values by name."""
        return dataclasses.asdict(self)


def kind_of(store: str, source: Path) -> str:
    """The protocol that a name asks for.

    Raises:
        DataError: the folder has no such data set.
    """
    protocol = store.removesuffix(REFIT)
    if protocol.endswith(LAST_ITEM) and (source / (protocol.removesuffix(LAST_ITEM) + SEQUENCES)).is_file():
        return LAST
    if is_split(source / f"{store}.parquet"):
        return SPLIT
    known = offered(source)
    if store.removesuffix(REBUY) not in known:
        listed = ", ".join(known) or "none"
        raise DataError(
            f"{source} has no data set {store!r}; it offers: {listed}. A pair of sequences and attributes is also "
            f"offered as NAME{LAST_ITEM} and NAME{LAST_ITEM}{REFIT}, invoices as NAME{REBUY}."
        )
    return COLD if (source / (store + SEQUENCES)).is_file() and (source / (store + ATTRIBUTES)).is_file() else WARM


def specs(
    stores: Sequence[str], source: Path, *, colds: Sequence[int], seeds: int, shuffled: bool = False
) -> list[Spec]:
    """Every spec of the named stores; a store without cold shares has one spec a seed.

    Raises:
        ConfigError: a share is no percentage, there is no seed, or a store is named twice.
        DataError: the folder has no such data set.
    """
    if any(not 0 < c < 100 for c in colds) or len(set(colds)) != len(colds):
        raise ConfigError(f"cold shares are {list(colds)}; each is a percentage between 1 and 99, named once")
    if seeds < 1:
        raise ConfigError(f"seeds is {seeds}; at least one is needed, and claims need three")
    if len(set(stores)) != len(stores):
        raise ConfigError(f"a store is named twice: {list(stores)}")
    found = []
    for store in stores:
        kind = kind_of(store, source)
        for cold in colds if kind == COLD else (0,):
            found += [Spec(store, kind, cold, seed, shuffled) for seed in range(seeds)]
    return found


def files_of(spec: Spec, source: Path) -> list[Path]:
    """The files that a spec reads."""
    base = spec.store.removesuffix(REFIT).removesuffix(LAST_ITEM).removesuffix(REBUY)
    names = [base + SEQUENCES, base + ATTRIBUTES, base + EVENTS, f"{base}.parquet"]
    return [source / name for name in names if (source / name).is_file()]


def data_digest(spec: Spec, source: Path) -> str:
    """SHA-256 over the files that a spec reads."""
    sha = hashlib.sha256()
    for path in files_of(spec, source):
        sha.update(path.name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return sha.hexdigest()

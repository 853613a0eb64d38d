"""The published protocols: last item on sequences, and a split that others fixed, both with full ranking.

What belongs here: files → the two tasks of a protocol, with what counts in it. What does not: ranking
(full_ranking.py), the cold and warm protocols (the ordinary pipeline runs those).

**Last item.** Fitted on everything before a user's last two items. When the last one is asked for, the one before it is
known (it is history, and is not ranked again) but was no training data; `refit=True` trains on it too. Choices are made
on the second to last items alone. (The published popularity rows, HR@10 .0152 on beauty and .0094 on sports, come out
exactly when popularity counts the held-out items too; counted by the rule above it has .0114 and .0091.)

**Split.** Choices are made on a tenth of each user's training pairs; what is judged is fitted on all of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gnn_core.benchmark.full_ranking import RankingTask, ranking_task
from gnn_core.benchmark.shuffle import exchanged
from gnn_core.config import Settings, load_settings
from gnn_core.contracts import SNAPSHOT_TABLES
from gnn_core.errors import DataError
from gnn_core.graph.split import build_timeline
from gnn_core.scoring.eligibility import eligible_mask
from gnn_core.snapshot import Events, Snapshot, build_snapshot
from gnn_core.stores.public.last_item import load_last_item
from gnn_core.stores.public.load import ATTRIBUTES, SEQUENCES
from gnn_core.stores.public.reading import file_columns
from gnn_core.stores.public.split_pairs import SPLIT_COLUMNS, load_split
from gnn_core.stores.public.tables import PublicStore

LAST_ITEM = "_last_item"
"""NAME_last_item names the protocol on NAME_sequences."""
REFIT = "_refit"
"""NAME_last_item_refit: the same, where what is judged trains on the validation items too."""


@dataclass(frozen=True)
class Published:
    """A published protocol, ready to run."""

    name: str
    settings: Settings
    validation: RankingTask
    test: RankingTask
    eligible_P: NDArray[np.bool_]
    k: int
    """Recall@k (hit rate@k for one item a user) is what models are chosen by."""


def load_published(
    name: str,
    source: Path,
    config: Path,
    *,
    overlays: Sequence[Path | Mapping[str, Any]] = (),
    seed: int = 7,
    shuffled: bool = False,
) -> Published:
    """NAME_last_item, NAME_last_item_refit, or the name of a file with the columns user_id, item_id, split.

    Args:
        name: as above. source: folder of Parquet files.
        config: the base configuration; overlays: laid over it, after the store's profile.
        seed: split only: of the draw of validation pairs.
        shuffled: users' events exchanged within known, validating and judged ones; pairs that a user then knows already
            are not judged.
    Raises:
        DataError: the folder has no such file; ContractError: a file breaks its shape.
    """
    refit = name.endswith(LAST_ITEM + REFIT)
    if refit or name.endswith(LAST_ITEM):
        base = name.removesuffix(REFIT).removesuffix(LAST_ITEM)
        sequences, attributes = source / (base + SEQUENCES), source / (base + ATTRIBUTES)
        if not sequences.is_file():
            raise DataError(f"{source} has no {sequences.name}; the protocol {name} reads it.")
        store = load_last_item(name, sequences, attributes if attributes.is_file() else None)
        settings = load_settings(config, [store.profile, *overlays])
        return last_item(name, _maybe_exchanged(store, settings, shuffled, seed), settings, refit=refit)
    path = source / f"{name}.parquet"
    if not is_split(path):
        raise DataError(f"{path} is no published split; it needs the columns {', '.join(SPLIT_COLUMNS)}.")
    stores = load_split(name, path, seed=seed)
    settings = load_settings(config, [stores.test.profile, *overlays])
    validation, test = (_maybe_exchanged(s, settings, shuffled, seed) for s in (stores.validation, stores.test))
    return split(name, validation, test, settings)


def is_split(path: Path) -> bool:
    """Whether a file is there and holds a published split."""
    return path.is_file() and not set(SPLIT_COLUMNS) - set(file_columns(path))


def last_item(name: str, store: PublicStore, settings: Settings, *, refit: bool = False) -> Published:
    """The protocol on a store of `load_last_item`."""
    snapshot, eligible_P = _coded(store, settings)
    timeline = build_timeline(snapshot.as_of, settings.split)
    (first,), (last,) = timeline.validation, timeline.test
    train, known = snapshot.before(first.start), snapshot.before(last.start)

    def task(role: str, fitted: Snapshot, asked: Snapshot, start: np.datetime64, end: np.datetime64) -> RankingTask:
        held = _unknown(snapshot.events.between(start, end), asked)
        return ranking_task(f"{name}_{role}", role, fitted, asked, held.user_E, held.product_E)

    return Published(
        name,
        settings,
        validation=task("validation", train, train, first.start, first.end),
        test=task("test", known if refit else train, known, last.start, last.end),
        eligible_P=eligible_P,
        k=10,
    )


def split(name: str, validation: PublicStore, test: PublicStore, settings: Settings) -> Published:
    """The protocol on the two stores of `load_split`."""

    def task(role: str, store: PublicStore) -> tuple[RankingTask, NDArray[np.bool_]]:
        snapshot, eligible_P = _coded(store, settings)
        cut = build_timeline(snapshot.as_of, settings.split).test[0]
        known = snapshot.before(cut.start)
        held = _unknown(snapshot.events.between(cut.start, cut.end), known)
        return ranking_task(f"{name}_{role}", role, known, known, held.user_E, held.product_E), eligible_P

    first, _ = task("validation", validation)
    second, eligible_P = task("test", test)
    return Published(name, settings, first, second, eligible_P, k=20)


def _unknown(held: Events, known: Snapshot) -> Events:
    """Held-out events of pairs that are not known before; only an exchange of events makes such pairs."""
    n_P = len(known.product_ids)
    return held.take(~np.isin(held.user_E * n_P + held.product_E, known.events.user_E * n_P + known.events.product_E))


def _maybe_exchanged(store: PublicStore, settings: Settings, shuffled: bool, seed: int) -> PublicStore:
    if not shuffled:
        return store
    cutoffs = (*settings.split.explicit_validation_cutoffs, *settings.split.explicit_test_cutoffs)
    return exchanged(store, [np.datetime64(day, "us") for day in cutoffs], seed)


def _coded(store: PublicStore, settings: Settings) -> tuple[Snapshot, NDArray[np.bool_]]:
    frames = {name: store.tables[name].to_pandas() for name in SNAPSHOT_TABLES}
    as_of = pd.Timestamp(settings.store.first_week) + pd.Timedelta(days=7)
    snapshot = build_snapshot(frames, as_of.to_datetime64())
    return snapshot, eligible_mask(snapshot.products, settings.eligibility)

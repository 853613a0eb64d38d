"""A published split: (user, item) pairs that are training or test, in no order.

What belongs here: such a file → contract tables; the validation pairs, which the split does not have, drawn from its
training pairs. What does not: ranking and figures (benchmark/).

No order is known, so all known pairs have one stand-in date, and all held-out pairs another, in the window.
One vehicle that fits everything and that everyone owns stands in for fitment.
"""

from __future__ import annotations

import datetime as dt
import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from gnn_core.errors import ContractError, DataError
from gnn_core.snapshot import Int, micros
from gnn_core.stores.public import tables as shared
from gnn_core.stores.public.reading import id_texts, read_file
from gnn_core.stores.public.sequences import TEST_CUTOFF, VALIDATION_CUTOFF

SPLIT_COLUMNS = ("user_id", "item_id", "split")
TRAIN, TEST = "train", "test"
VALIDATION_SHARE = 0.1
PART_TYPE_BUCKETS = 100

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SplitStores:
    """The same users and products twice, with the held-out pairs of each role in the window from TEST_CUTOFF."""

    validation: shared.PublicStore
    """Known: the training pairs without the tenth that validates."""
    test: shared.PublicStore
    """Known: all training pairs."""


def load_split(name: str, path: Path, *, seed: int = 7) -> SplitStores:
    """Read (user_id, item_id, split); split is `train` or `test`.

    Args:
        name: of the store in reports.
        path: the file; repeated pairs count once.
        seed: of the draw of validation pairs: a tenth of each user's training pairs, at least one, never all.
    Raises:
        ContractError: the file breaks its shape, or a pair is training and test.
        DataError: it holds no training or no test pair.
    """
    raw = read_file(path, SPLIT_COLUMNS)
    unknown = ~raw["split"].isin((TRAIN, TEST))
    if unknown.any():
        raise ContractError(
            f"file {path}, column split: {int(unknown.sum())} value(s) other than {TRAIN} and {TEST}, such as "
            f"{sorted(map(str, raw.loc[unknown, 'split'].unique()))[:3]}."
        )
    ids = {c: id_texts(raw, c, path) for c in ("user_id", "item_id")}
    pairs = pd.DataFrame(ids | {"split": raw["split"]}).drop_duplicates(ignore_index=True)
    both = pairs.duplicated(["user_id", "item_id"])
    if both.any():
        raise ContractError(
            f"file {path}: {int(both.sum())} pair(s) are training and test at once, such as "
            f"{pairs[both].iloc[0].to_dict()}."
        )
    if pairs["split"].nunique() < 2:
        raise DataError(f"file {path} holds {pairs['split'].iloc[0]} pairs only; the protocol needs both.")
    users, user = np.unique(pairs["user_id"].to_numpy(dtype=object), return_inverse=True)
    items, item = np.unique(pairs["item_id"].to_numpy(dtype=object), return_inverse=True)
    is_test = (pairs["split"] == TEST).to_numpy()
    validates = np.zeros(len(pairs), dtype=bool)
    validates[~is_test] = validation_pairs(user[~is_test], seed)
    _log.info("%s: %d users, %d products, %d training pairs", name, len(users), len(items), int((~is_test).sum()))

    def store(role: str, rows: np.ndarray, held: np.ndarray) -> shared.PublicStore:
        return _store(
            f"{name}_{role}" if role == "validation" else name, users, items, user[rows], item[rows], held[rows]
        )

    return SplitStores(
        validation=store("validation", ~is_test, validates),
        test=store("test", np.ones(len(pairs), dtype=bool), is_test),
    )


def validation_pairs(user_N: Int, seed: int) -> np.ndarray:
    """(N,) which training pairs validate: a tenth of each user's (rounded, at least one), at random, never all."""
    order = np.lexsort((np.random.default_rng(seed).random(len(user_N)), user_N))
    count = np.bincount(user_N)
    place = np.empty(len(user_N), dtype=np.int64)
    place[order] = np.arange(len(user_N)) - np.repeat(np.cumsum(count) - count, count)
    wanted = np.minimum(np.maximum(1, np.round(VALIDATION_SHARE * count)), count - 1)
    return place < wanted[user_N]


def _store(
    name: str, users: np.ndarray, items: np.ndarray, user_N: Int, item_N: Int, held_N: np.ndarray
) -> shared.PublicStore:
    code = shared.permuted_codes(len(items))
    item_P = np.empty(len(items), dtype=object)
    item_P[code] = items
    ids_P = shared.product_ids(len(items))
    ids_U = np.array([f"U{u}" for u in users], dtype=object)
    half = shared.HORIZON_DAYS * 86_400_000_000 // 2
    cutoff = micros(TEST_CUTOFF.isoformat())
    events = shared.single_orders(ids_U[user_N], ids_P[code[item_N]], np.where(held_N, cutoff + half, cutoff - half))
    return shared.PublicStore(
        tables=shared.contract_tables(
            {
                "users": shared.users_frame(ids_U),
                **shared.one_vehicle_for_all(ids_U, ids_P),
                "products": shared.products_frame(
                    ids_P,
                    [f"Item {i}" for i in item_P],
                    [f"Bucket {i % PART_TYPE_BUCKETS:02d}" for i in range(len(items))],
                ),
                "events": events,
            }
        ),
        profile=shared.store_profile(
            name,
            validation=[VALIDATION_CUTOFF],
            tests=[TEST_CUTOFF],
            stride_days=shared.HORIZON_DAYS,
            first_event=VALIDATION_CUTOFF - dt.timedelta(days=1),
            n_users=len(users),
            warm=True,
            new_products_only=True,
            stand_ins=(
                "dates: no order is known, so all known pairs have one date and all held-out pairs another",
                "one vehicle fits everything and everyone owns it",
                "every item is an order of its own; the file has no baskets",
                f"price {shared.STAND_IN_PRICE_USD:g} USD, image address and e-mail consent",
                f"part type is one of {PART_TYPE_BUCKETS} random buckets of products",
            ),
        ),
    )

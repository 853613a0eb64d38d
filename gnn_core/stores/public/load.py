"""A public data set by name: find its files, recognise their kind, make the store, write it.

What belongs here: names, kinds, the warehouse. What does not: what the columns mean (one module a kind).
"""

from __future__ import annotations

from pathlib import Path

from gnn_core.config import Settings
from gnn_core.errors import ConfigError, ContractError, DataError
from gnn_core.io.warehouse import TableName, Warehouse
from gnn_core.stores.public.behaviour_log import LOG_COLUMNS, load_behaviour_log
from gnn_core.stores.public.invoices import INVOICE_COLUMNS, load_invoices
from gnn_core.stores.public.reading import file_columns
from gnn_core.stores.public.sequences import load_sequences
from gnn_core.stores.public.tables import PublicStore

SEQUENCES, ATTRIBUTES, EVENTS = "_sequences.parquet", "_item_attributes.parquet", "_events.parquet"
_SINGLE = {"behaviour log": LOG_COLUMNS, "invoices": INVOICE_COLUMNS}


def load_store(name: str, source: Path, *, cold_share: float = 0.9, seed: int = 7, rebuy: bool = False) -> PublicStore:
    """Read the data set `name` from the folder `source` as a store.

    The files decide the protocol: NAME_sequences.parquet with NAME_item_attributes.parquet → cold users;
    NAME_events.parquet or NAME.parquet with the columns of a behaviour log or of invoices → warm users.

    Args:
        name: as listed by `offered`; the name of a file without its ending works too.
        source: folder of Parquet files; only read.
        cold_share, seed: cold protocol only (see load_sequences).
        rebuy: invoices only: products ordered before are candidates and positives too.
    Raises:
        DataError: the folder offers no such data set; says what it offers. Or a data set allows no store.
        ContractError: a file lacks columns or breaks its shape; names file and columns.
        ConfigError: an option is out of range, or has no meaning for this data set.
    """
    for ending in (SEQUENCES, ATTRIBUTES, EVENTS):
        name = name.removesuffix(ending.removesuffix(".parquet"))
    sequences, attributes = source / (name + SEQUENCES), source / (name + ATTRIBUTES)
    pair = [p for p in (sequences, attributes) if p.is_file()]
    single = next((p for p in (source / (name + EVENTS), source / f"{name}.parquet") if p.is_file()), None)
    if len(pair) == 2:
        _refuse_rebuy(rebuy, name)
        return load_sequences(name, sequences, attributes, cold_share=cold_share, seed=seed)
    if pair and single is None:
        missing = attributes if pair == [sequences] else sequences
        raise DataError(f"{pair[0]} needs {missing.name} beside it; the cold protocol reads both.")
    if single is None:
        known = ", ".join(offered(source)) or "none"
        raise DataError(f"{source} has no data set {name!r}; it offers: {known}.")
    if _kind(single) == "invoices":
        return load_invoices(name, single, rebuy=rebuy)
    _refuse_rebuy(rebuy, name)
    return load_behaviour_log(name, single)


def offered(source: Path) -> list[str]:
    """Names of the data sets in a folder that `load_store` understands, sorted.

    Raises:
        DataError: the folder does not exist.
    """
    if not source.is_dir():
        raise DataError(f"folder {source} does not exist; name the folder that holds the data sets.")
    names = set()
    for path in source.glob("*.parquet"):
        if path.name.endswith(SEQUENCES):
            base = path.name.removesuffix(SEQUENCES)
            names |= {base} if (source / (base + ATTRIBUTES)).is_file() else set()
        elif any(not set(columns) - set(file_columns(path)) for columns in _SINGLE.values()):
            names.add(path.stem.removesuffix("_events"))
    return sorted(names)


def write_contract(store: PublicStore, warehouse: Warehouse, settings: Settings) -> None:
    """Load every contract table into the source dataset under its contract name, replacing what was there."""
    warehouse.ensure_dataset(settings.warehouse.source_dataset)
    for name, rows in store.tables.items():
        warehouse.load(TableName(settings.warehouse.source_dataset, name), rows, replace=True)


def _kind(path: Path) -> str:
    """The kind of a single file; a file that has some columns of a kind is told which ones it lacks."""
    found = set(file_columns(path))
    missing = {kind: [c for c in columns if c not in found] for kind, columns in _SINGLE.items()}
    kind = min(missing, key=lambda k: len(missing[k]) / len(_SINGLE[k]))
    if missing[kind]:
        lacks = "; ".join(f"as {k} it lacks {missing[k]}" for k in _SINGLE)
        raise ContractError(f"file {path} is no data set that can be a store: {lacks}. It has {sorted(found)}.")
    return kind


def _refuse_rebuy(rebuy: bool, name: str) -> None:
    if rebuy:
        raise ConfigError(f"rebuy means nothing for {name}: only invoices show the same product bought again.")

"""A simulated parts retailer: source tables with everything that is wrong with real ones, and the truth behind them."""

from gnn_core.simulate.measure import Share, format_shares
from gnn_core.simulate.sizes import SIZES, StoreSize
from gnn_core.simulate.store import SOURCES, RawStore, simulate, store_profile, write_raw
from gnn_core.simulate.truth import Truth
from gnn_core.simulate.worlds import World

__all__ = [
    "SIZES",
    "SOURCES",
    "RawStore",
    "Share",
    "StoreSize",
    "Truth",
    "World",
    "format_shares",
    "simulate",
    "store_profile",
    "write_raw",
]

"""A store's tables: from what a retailer or a loaded file has to the contract tables of a week, in the warehouse."""

from gnn_core.stores.staging import Drops, stage_table
from gnn_core.stores.week import WeekTables

__all__ = ["Drops", "WeekTables", "stage_table"]

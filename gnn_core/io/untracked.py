"""The refusal of a warehouse that does not know when a table's rows changed."""

from gnn_core.errors import WarehouseError


class UntrackedRowsError(WarehouseError):
    """Of this table nobody knows when its rows changed, so that new data cannot be noticed; a view of BigQuery."""

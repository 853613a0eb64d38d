"""Public data sets as stores: files of three known shapes become contract tables and a profile of settings."""

from gnn_core.stores.public.load import load_store, offered, write_contract
from gnn_core.stores.public.tables import PublicStore

__all__ = ["PublicStore", "load_store", "offered", "write_contract"]

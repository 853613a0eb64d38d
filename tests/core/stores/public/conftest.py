"""Tiny files of public data sets, written by hand; and the folder of the real ones, where there is one."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pandas as pd
import pytest

from gnn_core.config import Settings, load_settings
from gnn_core.stores.public import PublicStore

ROOT = Path(__file__).resolve().parents[4]


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, Mapping[str, Sequence]], Path]:
    """Write columns as tmp_path/NAME.parquet."""

    def to_file(name: str, columns: Mapping[str, Sequence]) -> Path:
        path = tmp_path / f"{name}.parquet"
        pd.DataFrame(columns).to_parquet(path, index=False)
        return path

    return to_file


@pytest.fixture
def settings_of() -> Callable[[PublicStore], Settings]:
    """The project's settings under the profile of a store."""

    def load(store: PublicStore) -> Settings:
        return load_settings(ROOT / "configs" / "gnn_config.yaml", [store.profile])

    return load


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data sets: GNN_REAL_DATA, or shared/data beside the repository."""
    folder = Path(os.environ.get("GNN_REAL_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"the folder of real data sets is missing: {folder}; set GNN_REAL_DATA to it")
    return folder

"""Reading the files of a public data set, strictly.

What belongs here: one file → a frame with the columns asked for, or an error that names file, column and rows.
What does not: what the columns mean (sequences.py, behaviour_log.py, invoices.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from gnn_core.errors import ContractError
from gnn_core.snapshot import Int


def file_columns(path: Path) -> list[str]:
    """Names of the columns of a Parquet file; only its footer is read.

    Raises:
        ContractError: the file is no Parquet file.
    """
    try:
        return list(pq.read_schema(path).names)
    except pa.ArrowInvalid as error:
        raise ContractError(f"file {path} is not readable as Parquet: {error}. Write it again.") from error


def read_file(path: Path, columns: Sequence[str], *, nullable: Sequence[str] = ()) -> pd.DataFrame:
    """The named columns of a Parquet file, repeated rows included.

    Raises:
        ContractError: a column is missing, a column not named in `nullable` holds nulls, or there is no row.
    """
    missing = [c for c in columns if c not in (found := file_columns(path))]
    if missing:
        raise ContractError(f"file {path} lacks the column(s) {missing}; it has {found}. It needs {list(columns)}.")
    frame = pq.read_table(path, columns=list(columns)).to_pandas()
    if frame.empty:
        raise ContractError(f"file {path} has no rows; a store needs some.")
    for column in (c for c in columns if c not in nullable):
        empty = frame[column].isna()
        if empty.any():
            raise ContractError(
                f"file {path}, column {column}: {int(empty.sum())} null(s), the first in row "
                f"{int(np.flatnonzero(empty)[0])}. Fill or drop these rows."
            )
    return frame


def whole_numbers(frame: pd.DataFrame, column: str, path: Path) -> Int:
    """A column as int64.

    Raises:
        ContractError: a value is no whole number.
    """
    values = frame[column]
    if not pd.api.types.is_numeric_dtype(values):
        raise ContractError(f"file {path}, column {column} is {values.dtype}; it must hold whole numbers.")
    broken = (values % 1 != 0).to_numpy()
    if broken.any():
        row = int(np.flatnonzero(broken)[0])
        raise ContractError(f"file {path}, column {column}: row {row} holds {values.iloc[row]}, no whole number.")
    return values.to_numpy(dtype=np.int64)


def id_texts(frame: pd.DataFrame, column: str, path: Path) -> pd.Series:
    """A column of ids as text: numbers without a decimal point, text without surrounding blanks.

    Raises:
        ContractError: ids are neither whole numbers nor text.
    """
    values = frame[column]
    if pd.api.types.is_numeric_dtype(values):
        return pd.Series(whole_numbers(frame, column, path), index=frame.index).astype(str)
    if not values.map(lambda v: isinstance(v, str)).all():
        raise ContractError(f"file {path}, column {column} is {values.dtype}; ids must be whole numbers or text.")
    return values.str.strip()

"""The warm protocol on invoices: every line is an order.

What belongs here: which invoice lines count, and the windows. What does not: other kinds of files.

One vehicle that fits everything and that everyone owns stands in for fitment. Judged are ordered products:
those that the customer had not ordered before, or, with `rebuy`, all of them.
"""

from __future__ import annotations

import datetime as dt
import logging
from pathlib import Path

import numpy as np
import pandas as pd

from gnn_core.errors import ContractError, DataError
from gnn_core.stores.public import tables as shared
from gnn_core.stores.public.reading import id_texts, read_file, whole_numbers

INVOICE_COLUMNS = (
    "InvoiceNo",
    "StockCode",
    "Description",
    "Quantity",
    "InvoiceDate",
    "UnitPrice",
    "CustomerID",
)
VALIDATION_MONTHS_BACK = (5, 3, 2)
TEST_MONTHS_BACK = (1, 0)
"""Cutoffs are first days of months, counted back from the last month whose 30 days the file covers."""

_log = logging.getLogger(__name__)


def load_invoices(name: str, path: Path, *, rebuy: bool = False) -> shared.PublicStore:
    """Read invoice lines of known customers; returns, cancellations, gifts and codes that are no product are left out.

    Dates have no zone in such a file and count as UTC.

    Args:
        name: name of the file; with `rebuy` the store is called NAME_rebuy.
        path: the file.
        rebuy: True: products that the customer had ordered before are candidates and positives too.
    Raises:
        ContractError: the file breaks its shape.
        DataError: nothing is left, or the file is too short for the windows.
    """
    lines = _read(path)
    validation, tests = invoice_cutoffs(lines["event_ts"].min(), lines["event_ts"].max(), path)
    users, codes = np.unique(lines["user"]).astype(object), np.unique(lines["code"]).astype(object)
    code_P = np.empty(len(codes), dtype=object)
    code = shared.permuted_codes(len(codes))
    code_P[code] = codes
    ids_P = shared.product_ids(len(codes))
    ids_U = np.array([f"U{u}" for u in users], dtype=object)

    bought = lines.groupby(["user", "code", "invoice"], as_index=False).agg(
        event_ts=("event_ts", "min"), quantity=("quantity", "sum")
    )
    events = pd.DataFrame(
        {
            "user_id": "U" + bought["user"],
            "product_id": ids_P[code[np.searchsorted(codes, bought["code"].to_numpy(dtype=object))]],
            "event_type": "order",
            "event_ts": bought["event_ts"],
            "order_id": bought["invoice"],
            "quantity": bought["quantity"],
            "price": None,
        }
    )
    _log.info("%s: %d orders of %d customers and %d products", name, len(events), len(users), len(codes))
    return shared.PublicStore(
        tables=shared.contract_tables(
            {
                "users": shared.users_frame(ids_U),
                **shared.one_vehicle_for_all(ids_U, ids_P),
                "products": shared.products_frame(ids_P, _names(lines, code_P), [f"Family {c[:3]}" for c in code_P]),
                "events": events,
            }
        ),
        profile=shared.store_profile(
            f"{name}_rebuy" if rebuy else name,
            validation=validation,
            tests=tests,
            stride_days=shared.HORIZON_DAYS,
            first_event=lines["event_ts"].min().date(),
            n_users=len(users),
            warm=True,
            new_products_only=not rebuy,
            stand_ins=(
                "one vehicle fits everything and everyone owns it",
                f"price {shared.STAND_IN_PRICE_USD:g} USD: real unit prices are a few pounds, below the floor of the "
                "programme",
                "image address and e-mail consent",
                "part type is the first three digits of the stock code",
                "invoice dates without a zone are taken as UTC",
            ),
        ),
    )


def invoice_cutoffs(first: pd.Timestamp, last: pd.Timestamp, path: Path) -> tuple[list[dt.date], list[dt.date]]:
    """Validation and test cutoffs of invoices that run from `first` to `last`.

    For December 2010 to 9 December 2011 these are the published ones: 2011-06-01, 08-01, 09-01; tests 10-01, 11-01.

    Raises:
        DataError: less than a month of history lies before the first validation cutoff.
    """
    newest = (last - pd.Timedelta(days=shared.HORIZON_DAYS)).date().replace(day=1)

    def back(months: int) -> dt.date:
        year, month = divmod(newest.year * 12 + newest.month - 1 - months, 12)
        return dt.date(year, month + 1, 1)

    validation, tests = [back(m) for m in VALIDATION_MONTHS_BACK], [back(m) for m in TEST_MONTHS_BACK]
    if first.date() + dt.timedelta(days=shared.HORIZON_DAYS) > validation[0]:
        raise DataError(
            f"file {path}: invoices run from {first.date()} to {last.date()}; the first validation cutoff would be "
            f"{validation[0]}, with less than {shared.HORIZON_DAYS} days of history. About eight months are needed."
        )
    return validation, tests


def _read(path: Path) -> pd.DataFrame:
    raw = read_file(path, INVOICE_COLUMNS, nullable=("Description", "CustomerID"))
    if not pd.api.types.is_datetime64_any_dtype(raw["InvoiceDate"]):
        raise ContractError(f"file {path}, column InvoiceDate is {raw['InvoiceDate'].dtype}; it must hold timestamps.")
    invoice, code = id_texts(raw, "InvoiceNo", path), id_texts(raw, "StockCode", path)
    counts = (
        raw["CustomerID"].notna()
        & (raw["Quantity"] > 0)
        & (raw["UnitPrice"] > 0)
        & ~invoice.str.upper().str.startswith("C")
        & code.str.fullmatch(r"\d{5}")
    )
    if not counts.any():
        raise DataError(f"file {path}: no line has a customer, a positive quantity and price and a five-digit code.")
    kept = raw[counts]
    return pd.DataFrame(
        {
            "user": id_texts(kept, "CustomerID", path),
            "code": code[counts],
            "invoice": invoice[counts],
            "description": kept["Description"],
            "quantity": whole_numbers(kept, "Quantity", path),
            "event_ts": pd.to_datetime(kept["InvoiceDate"], utc=True),
        }
    )


def _names(lines: pd.DataFrame, code_P: np.ndarray) -> np.ndarray:
    """The commonest description of each code (the first in the alphabet of equals), or the code itself."""
    described = lines[["code", "description"]].dropna()
    described = described.assign(description=described["description"].str.strip())
    counts = described.groupby(["code", "description"]).size().rename("n").reset_index()
    best = counts.sort_values(["code", "n", "description"], ascending=[True, False, True]).drop_duplicates("code")
    named = best.set_index("code")["description"].reindex(code_P)
    return named.fillna("Item " + pd.Series(code_P, index=code_P)).to_numpy(dtype=object)

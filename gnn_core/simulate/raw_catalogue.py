"""The catalogue and the fitment table as they come.

What belongs here: how true products and fitment look in the source. Rates: 4 % of SKUs in lower case or padded, 0.5 %
of catalogue rows repeated in another writing, `Refurbished` in several cases inside longer tags, part types UNKNOWN ·
fitment: 5 % of vehicles split over two rows, 2 % of rows repeated, 1 % of products twice in a row, 0.3 % of product
numbers that no catalogue row has, rows of year NONE or 0, years as text.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from gnn_core.simulate.arrow import strings, styled, written
from gnn_core.simulate.products import Catalogue
from gnn_core.simulate.streams import Streams, quota
from gnn_core.simulate.vehicles import Garage

Int = NDArray[np.int64]
_REFURBISHED = ("Refurbished", "clearance, REFURBISHED", "refurbished|final sale")
_TAGS = ("", "new", "street legal|new", "50-state", "race only", "made in usa")


def catalogue_table(catalogue: Catalogue, streams: Streams) -> pa.Table:
    """PartNumber, PartType, Tags."""
    rng = streams("catalogue")
    n_P = len(catalogue.product_ids)
    repeated = np.flatnonzero(quota(rng, n_P, max(0.005, 2 / n_P)))
    rows = np.concatenate([np.arange(n_P), repeated])
    style = styled(rng, len(rows), 0.96)
    # The first is the repeat's own writing, so that only UPPER and TRIM reveal it.
    style[n_P:] = np.where(style[repeated] == 1, 2, 1)
    style[np.flatnonzero(style[:n_P] == 3)[:1]] = 3
    tag = np.array([*_TAGS, *_REFURBISHED], dtype=object)
    picks = np.where(
        catalogue.refurbished_P,
        len(_TAGS) + rng.integers(0, len(_REFURBISHED), n_P),
        rng.integers(0, len(_TAGS), n_P),
    )
    table = pa.table(
        {
            "PartNumber": strings(written(catalogue.product_ids)).take(pa.array(style * n_P + rows)),
            "PartType": strings(catalogue.part_types).take(pa.array(catalogue.type_P[rows])),
            "Tags": strings(tag).take(pa.array(picks[rows])),
        }
    )
    return table.take(pa.array(rng.permutation(len(rows))))


def fitment_table(catalogue: Catalogue, garage: Garage, streams: Streams) -> pa.Table:
    """v1_year, v1_make, v1_model, products."""
    rng = streams("fitment")
    fits = catalogue.fits_VP
    n_V, n_P = fits.shape
    v, p = np.repeat(np.arange(n_V), np.diff(fits.indptr)), fits.indices.astype(np.int64)
    split = quota(rng, n_V, max(0.05, 2 / n_V))
    row = v + n_V * (split[v] & (rng.random(len(v)) < 0.5))
    again = np.flatnonzero(quota(rng, len(v), 0.01))
    stray = rng.integers(0, n_V, max(3, int(0.003 * len(v))))
    bad = np.array([2 * n_V, 2 * n_V + 1])
    row_all = np.concatenate([row, row[again], stray, np.repeat(bad, 3)])
    product = np.concatenate([p, p[again], np.full(len(stray), -1), rng.integers(0, n_P, 6)])
    # Stray numbers are no product of the catalogue.
    style = styled(rng, len(product), 0.97)
    code = np.where(product >= 0, style * n_P + product, 4 * n_P)
    pool = strings([*written(catalogue.product_ids), "DISCONTINUED-0"])
    order = np.argsort(row_all, kind="stable")
    present, counts = np.unique(row_all, return_counts=True)
    offsets = np.concatenate([[0], np.cumsum(counts)])
    items = pa.StructArray.from_arrays([pool.take(pa.array(code[order]))], names=["product_number"])
    vehicle = present % n_V
    make_style, is_bad = styled(rng, len(present), 0.95), present >= 2 * n_V
    year = garage.year_V[vehicle].astype(str).astype(object)
    year[is_bad] = ["NONE", "0"]
    makes, models = garage.make_name_V, garage.model_name_V
    table = pa.table(
        {
            "v1_year": strings(year),
            "v1_make": strings(written(makes)).take(pa.array(make_style * n_V + vehicle)),
            "v1_model": strings(written(models)).take(pa.array(make_style * n_V + vehicle)),
            "products": pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), items),
        }
    )
    repeats = np.flatnonzero(quota(rng, len(present), max(0.02, 2 / len(present))))
    return table.take(pa.array(rng.permutation(np.concatenate([np.arange(len(present)), repeats]))))

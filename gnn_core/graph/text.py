"""What product names say: words weighed by rarity, hashed to a few dimensions, and which names are alike.

What belongs here: names → numbers, the same for every event. What does not: what the numbers are used for (hetero.py,
model/paths.py, training/constants.py).

The dimensions are hashed, not those of an SVD, whose basis turns with every new name: weights that last week's training
learned for them must mean the same this week. TF-IDF and hashing are a few lines on scipy; a library for these alone
would be one of the largest dependencies of the project.

Shape letters: P products, W terms (words and pairs of words), D dimensions.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

MOST_COMMON = 0.3
"""A term in a larger share of the names tells nothing apart."""
NEIGHBOURS = 50
"""Of a product by name; beyond these, names share a colour or a size."""
_LEAST_NAMES = 2
_WORD = re.compile(r"[^\W_]+")
_BLOCK_PRODUCTS = 1024


@dataclass(frozen=True)
class NameFeatures:
    """Product names as numbers."""

    tfidf_PW: sparse.csr_matrix
    """Rows of length 1, or empty where a name has no term that another one shares."""
    table_PD: NDArray[np.float32]
    """`tfidf_PW` hashed to D dimensions, which are the same ones in any catalogue."""
    alike_PP: sparse.csr_matrix
    """Cosine of names, of each product to its nearest ones."""


def name_features(names: Iterable[str], dimensions: int) -> NameFeatures:
    """Numbers of names, in their order.

    Args:
        names: of all products. dimensions: D, at least 1.
    """
    terms, tfidf_PW = tfidf(names)
    return NameFeatures(tfidf_PW, _hashed(terms, tfidf_PW, dimensions), _alike(tfidf_PW))


def terms_of(name: str) -> list[str]:
    """Lower-case words of letters and digits, and each two neighbouring ones."""
    words = _WORD.findall(name.lower())
    return [*words, *(f"{one} {two}" for one, two in pairwise(words))]


def tfidf(names: Iterable[str]) -> tuple[NDArray[np.str_], sparse.csr_matrix]:
    """(W,) terms and (P, W) rows of unit length: log(P / names with the term) for each term of a name.

    Left out: terms of a single name, and of more than MOST_COMMON of all names. Terms are in alphabetical order.
    """
    found = [sorted(set(terms_of(name))) for name in names]
    n_P = len(found)
    terms, code = np.unique(np.array([t for row in found for t in row], dtype=str), return_inverse=True)
    row = np.repeat(np.arange(n_P), [len(each) for each in found])
    names_W = np.bincount(code, minlength=len(terms))
    kept_W = (names_W >= _LEAST_NAMES) & (names_W <= max(MOST_COMMON * n_P, _LEAST_NAMES))
    column_W = np.cumsum(kept_W) - 1
    kept = kept_W[code] if len(terms) else np.zeros(0, dtype=bool)
    value = np.log(n_P / names_W[code[kept]])
    made = sparse.csr_matrix((value, (row[kept], column_W[code[kept]])), shape=(n_P, int(kept_W.sum())))
    length_P = np.sqrt(np.asarray(made.multiply(made).sum(axis=1)).ravel())
    made.data = made.data / np.maximum(np.repeat(length_P, np.diff(made.indptr)), np.finfo(np.float64).tiny)
    made.eliminate_zeros()
    return terms[kept_W], made


def _hashed(terms: NDArray[np.str_], tfidf_PW: sparse.csr_matrix, dimensions: int) -> NDArray[np.float32]:
    """(P, D) each term added to or taken from the dimension that its hash names; scaled to deviation 1 over all."""
    # crc32: Python's own hash differs from process to process.
    hash_W = np.array([zlib.crc32(term.encode()) for term in terms], dtype=np.int64)
    sign_W = np.where(hash_W & 1, 1.0, -1.0)
    to_WD = sparse.csr_matrix(
        (sign_W, (np.arange(len(terms)), (hash_W >> 1) % dimensions)), shape=(len(terms), dimensions)
    )
    table = (tfidf_PW @ to_WD).toarray()
    deviation = float(table.std()) if table.size else 0.0
    return (table / (deviation if deviation > 0 else 1.0)).astype(np.float32)


def _alike(tfidf_PW: sparse.csr_matrix) -> sparse.csr_matrix:
    """(P, P) cosine to the NEIGHBOURS most similar names, itself left out; ties go to the lower product."""
    n_P = tfidf_PW.shape[0]
    blocks = []
    for start in range(0, n_P, _BLOCK_PRODUCTS):
        near = sparse.coo_matrix(tfidf_PW[start : start + _BLOCK_PRODUCTS] @ tfidf_PW.T)
        other = near.col != near.row + start
        row, column, value = near.row[other], near.col[other], near.data[other]
        order = np.lexsort((column, -np.round(value, 9), row))
        first_R = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=near.shape[0]))])
        place = np.arange(len(order)) - first_R[row[order]]
        kept = order[place < NEIGHBOURS]
        blocks.append(sparse.csr_matrix((value[kept], (row[kept], column[kept])), shape=near.shape))
    return sparse.csr_matrix(sparse.vstack(blocks)) if blocks else sparse.csr_matrix((0, 0))

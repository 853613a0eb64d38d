"""The one protocol behind every model: SQL, popularity, smoother, libraries, the graph.

Shape letters: A audience rows, P products.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from gnn_core.snapshot import Events, Int, Snapshot


@dataclass(frozen=True)
class Audience:
    """Who is scored. Users with the same vehicles and no history of their own are one row of work.

    Rows are built by scoring/audience.py; everything that a model may know of a row stands here.
    """

    owns_AV: sparse.csr_matrix
    """(A, V) bool: year/make/model vehicles of the row. Decides candidates."""
    owns_AS: sparse.csr_matrix
    """(A, S) bool: make/model segments of the row. Decides scores."""
    history: Events
    """Events before the cutoff of rows that have any; `user_E` here is the audience ROW, not the user."""
    user_A: Int
    """User index of a row that stands for one user; -1 for a row of several cold users."""
    as_of: np.datetime64
    """Moment at which the row is scored; ages of events count from here."""

    def __len__(self) -> int:
        return self.owns_AV.shape[0]


@runtime_checkable
class Taught(Protocol):
    """A recommender with weights that are learned from choices; the choices of a validation window may teach them."""

    def teach(self, choices: Events) -> None:
        """Let the next `fit` learn weights from these choices too. They stay out of every count and graph.

        Args:
            choices: at or after the `as_of` of what is fitted, with its users and products.
        """


class Recommender(Protocol):
    """Learns from a snapshot cut at some moment, then scores any audience, new users included."""

    name: str

    def fit(self, train: Snapshot) -> None:
        """Learn from `train`, which holds nothing after its `as_of`. Deterministic given settings and seed."""

    def prepare(self, audience: Audience) -> None:
        """Called once per audience, before its blocks: compute what the rows share."""

    def score_block(self, start: int, stop: int) -> NDArray[np.float32]:
        """(stop - start, P) scores of the prepared audience's rows; higher is better; finite everywhere."""

"""LightGCN of PyTorch Geometric, trained with BPR on user–product edges.

Shape letters: R rows of a block, A audience rows, U users with an event, K products with an event, N = U + K nodes,
B interactions of a step, D embedding width.
"""

from __future__ import annotations

import warnings

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch_geometric.nn.models import LightGCN

from gnn_core.config import PeerSettings
from gnn_core.errors import DataError
from gnn_core.recommender import Audience, Recommender
from gnn_core.scoring.peers.counts import summed
from gnn_core.scoring.peers.trained_users import TrainedUsers
from gnn_core.snapshot import Snapshot
from gnn_core.training.determinism import pinned

# Torch says so once a process; the products that are used here are PyG's own way of propagating.
warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta state")


class LightGcn:
    """A Recommender: light propagation on the 0/1 graph of who touched what (He et al. 2020).

    A row is its trained user, or the mean of its segments' trained owners, or `silent`. CPU, one thread and a fixed
    seed: the same data give the same embeddings. A step costs one propagation over all edges, whatever the batch.
    """

    name = "light_gcn"

    def __init__(self, settings: PeerSettings, seed: int, *, silent: Recommender) -> None:
        self._settings, self._seed, self._silent = settings, seed, silent

    def fit(self, train: Snapshot) -> None:
        """Train `light_gcn_steps` steps.

        Raises:
            DataError: there is no event before the cutoff.
        """
        self._silent.fit(train)
        events = train.events.between(None, train.as_of)
        if not len(events):
            raise DataError(f"light_gcn: no event before {train.as_of}; there is nothing to propagate")
        users, products = np.unique(events.user_E), np.unique(events.product_E)
        x_UK = summed(
            np.searchsorted(users, events.user_E),
            np.searchsorted(products, events.product_E),
            np.ones(len(events), dtype=np.float32),
            (len(users), len(products)),
        )
        with pinned(1, self._seed):
            embedding_ND = _train(x_UK, self._settings, self._seed)
        self._rows = TrainedUsers(train, users, embedding_ND[: len(users)], products, embedding_ND[len(users) :])

    def prepare(self, audience: Audience) -> None:
        """Embedding of every row."""
        self._silent.prepare(audience)
        self._rows.prepare(audience)

    def score_block(self, start: int, stop: int) -> NDArray[np.float32]:
        """(R, P) inner products of embeddings."""
        return self._rows.score_block(start, stop, self._silent)


def _train(x_UK: sparse.csr_matrix, settings: PeerSettings, seed: int) -> NDArray[np.float32]:
    """(N, D) propagated embeddings, users first."""
    n_users, n_products = x_UK.shape
    user_I = np.repeat(np.arange(n_users), np.diff(x_UK.indptr))
    touched_I = user_I * n_products + x_UK.indices  # ascending, since columns are sorted
    adjacency = _normalised(x_UK)
    # PyG would normalise again at every step.
    model = LightGCN(sum(x_UK.shape), settings.light_gcn_dim, settings.light_gcn_layers, normalize=False)
    optimizer = torch.optim.Adam(model.parameters(), lr=settings.light_gcn_learning_rate)
    rng = np.random.default_rng(seed)
    for _ in range(settings.light_gcn_steps):
        drawn = rng.integers(len(user_I), size=settings.light_gcn_batch_size)
        user_B, wanted_B = user_I[drawn], x_UK.indices[drawn].astype(np.int64)
        other_B = rng.integers(n_products, size=len(drawn))
        key_B = user_B * n_products + other_B
        place_B = np.minimum(np.searchsorted(touched_I, key_B), len(touched_I) - 1)
        usable = touched_I[place_B] != key_B
        if not usable.any():
            continue  # everybody drawn touched what was drawn against them
        nodes = [torch.from_numpy(v[usable]) for v in (user_B, n_users + wanted_B, n_users + other_B)]
        optimizer.zero_grad()
        user, wanted, other = (model.get_embedding(adjacency)[torch.cat(nodes)]).chunk(3)
        loss = model.recommendation_loss(
            (user * wanted).sum(dim=1),
            (user * other).sum(dim=1),
            node_id=torch.cat(nodes),
            lambda_reg=settings.light_gcn_regularization,
        )
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        return model.get_embedding(adjacency).numpy()


def _normalised(x_UK: sparse.csr_matrix) -> torch.Tensor:
    """(N, N) symmetric adjacency of users and products, each edge over the root of its ends' degrees."""
    ones = sparse.csr_matrix((np.ones(x_UK.nnz), x_UK.indices, x_UK.indptr), shape=x_UK.shape)
    both = sparse.bmat([[None, ones], [ones.T, None]], format="csr")
    root = sparse.diags(1 / np.sqrt(np.asarray(both.sum(axis=1)).ravel()))
    scaled = sparse.csr_matrix(root @ both @ root, dtype=np.float32)
    scaled.sort_indices()
    parts = (torch.from_numpy(scaled.indptr.astype(np.int64)), torch.from_numpy(scaled.indices.astype(np.int64)))
    return torch.sparse_csr_tensor(*parts, torch.from_numpy(scaled.data), size=scaled.shape, check_invariants=False)

"""One training step's input: which examples, which users to read out, which negatives.

What belongs here: assembling arrays for a step from a seed. What does not: gradients (trainer.py).

Shape letters: B examples, Q queried users, N negatives an example, G shared negatives.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from gnn_core.config.learning import TrainingSettings
from gnn_core.model.inputs import Queries, queries
from gnn_core.snapshot import Int
from gnn_core.training.examples import EventLog, Examples
from gnn_core.training.negatives import NegativeSampler, Rng


@dataclass
class Batch:
    """Tensors of one step, and how many negatives of each kind are usable (a kind that is never drawn shows as 0)."""

    users: Queries
    query_B: Tensor
    """Row of each example's user in the queries."""
    product_B: Tensor
    weight_B: Tensor
    fits_B: Tensor
    own_BN: Tensor
    """Negatives of each example: fitting ones (softmax), or the mix (bce)."""
    own_usable_BN: Tensor
    shared_G: Tensor
    shared_usable_BG: Tensor
    log_q_G: Tensor
    draws: dict[str, int] = field(default_factory=dict)

    def to(self, device: torch.device) -> Batch:
        """Move every tensor; returns itself."""
        for name, value in vars(self).items():
            if name != "draws":
                setattr(self, name, value.to(device))
        return self


class BatchMaker:
    """Makes the batch of a step from the fold's examples; the same step and seed give the same batch."""

    def __init__(
        self,
        settings: TrainingSettings,
        examples: Examples,
        log: EventLog,
        owns_US: sparse.csr_matrix,
        sampler: NegativeSampler,
        user_row_U: Int,
        n_products: int,
    ) -> None:
        self._settings, self._examples, self._log = settings, examples, log
        self._owns_US, self._sampler = owns_US, sampler
        self._user_row_U, self._n_P = user_row_U, n_products

    def __len__(self) -> int:
        return len(self._examples)

    def make(self, rng: Rng) -> Batch:
        """Up to `batch_size` examples without replacement, with their users and negatives."""
        size = min(self._settings.batch_size, len(self._examples))
        chosen = np.sort(rng.choice(len(self._examples), size=size, replace=False))
        batch = self._examples.take(chosen)
        users, query_B = self._read_outs(batch, rng)
        softmax = self._settings.loss == "softmax"
        own, usable, shared, log_q, draws = self._softmax_draws(batch, rng) if softmax else self._bce_draws(batch, rng)
        shared_usable = ~self._sampler.touched_among(batch.user_N, shared)
        return Batch(
            users=users,
            query_B=torch.from_numpy(query_B),
            product_B=torch.from_numpy(batch.product_N),
            weight_B=torch.from_numpy((batch.weight_N / batch.weight_N.mean()).astype(np.float32)),
            fits_B=torch.from_numpy(batch.fits_N),
            own_BN=torch.from_numpy(own),
            own_usable_BN=torch.from_numpy(usable),
            shared_G=torch.from_numpy(shared),
            shared_usable_BG=torch.from_numpy(shared_usable),
            log_q_G=torch.from_numpy(log_q.astype(np.float32)),
            draws=draws | ({"global": int(shared_usable.sum())} if softmax else {}),
        )

    def _read_outs(self, batch: Examples, rng: Rng) -> tuple[Queries, Int]:
        """Examples with a past keep it with probability `warm_share`; all others of one user share a cold read-out."""
        has_past = batch.past_stop_N > batch.past_start_N
        warm = has_past & (rng.random(len(batch)) < self._settings.warm_share)
        cold_user, cold_query = np.unique(batch.user_N[~warm], return_inverse=True)
        query_B = np.empty(len(batch), dtype=np.int64)
        query_B[~warm] = cold_query
        query_B[warm] = len(cold_user) + np.arange(int(warm.sum()))
        user_Q = np.r_[cold_user, batch.user_N[warm]]
        past = self._log.past(batch.take(warm), self._n_P, self._settings.longest_history)
        nothing = sparse.csr_matrix((len(cold_user), self._n_P))
        history_QP = sparse.vstack([nothing, past]).tocsr()
        return queries(self._owns_US[user_Q], history_QP, self._user_row_U[user_Q]), query_B

    def _softmax_draws(self, batch: Examples, rng: Rng) -> tuple:
        own, usable = self._sampler.fitting(batch.user_N, self._settings.fitting_negatives, rng)
        shared, log_q = self._sampler.popular(self._settings.global_negatives, rng)
        return own, usable, shared, log_q, {"fitting": int(usable.sum())}

    def _bce_draws(self, batch: Examples, rng: Rng) -> tuple:
        mix, total = self._settings.negative_mix, self._settings.negatives_per_positive
        n_batch, n_fit = round(mix["in_batch"] * total), round(mix["fitment"] * total)
        kinds = {
            "in_batch": self._sampler.in_batch(batch.user_N, batch.product_N, n_batch, rng),
            "fitting": self._sampler.fitting(batch.user_N, n_fit, rng),
            "global": self._sampler.uniform(batch.user_N, total - n_batch - n_fit, rng),
        }
        own = np.concatenate([product for product, _ in kinds.values()], axis=1)
        usable = np.concatenate([ok for _, ok in kinds.values()], axis=1)
        nothing = np.zeros(0, dtype=np.int64)
        return own, usable, nothing, np.zeros(0), {kind: int(ok.sum()) for kind, (_, ok) in kinds.items()}

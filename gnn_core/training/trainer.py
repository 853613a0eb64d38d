"""The training loop: steps over folds, validation, early stopping, resume.

What belongs here: gradient steps and their bookkeeping. What does not: building folds (model/recommender.py), losses.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gnn_core.config.learning import TrainingSettings
from gnn_core.errors import DivergedError
from gnn_core.model.inputs import GraphInputs
from gnn_core.model.network import Network
from gnn_core.training.batches import Batch, BatchMaker
from gnn_core.training.checkpoint import FORMAT, MODEL, OPTIMIZER, Checkpoint, load, save
from gnn_core.training.distributed import Processes, present
from gnn_core.training.losses import own_scores, sampled_softmax, shared_scores, weighted_bce

logger = logging.getLogger(__name__)
Progress = Callable[[int, int, float], None]
"""Called after each step with (step, max_steps, loss)."""
BEST, AVERAGE = "best/", "average/"


@dataclass(frozen=True)
class Fold:
    """The graph without one fold's users, and the batches that supervise them."""

    inputs: GraphInputs
    batches: BatchMaker


class Trainer:
    """Trains a network; afterwards the network holds the best state, and `history` says how it went.

    What is judged and kept is a running average of the weights: single states differ from one validation to the next by
    more than what is to be learned.
    """

    def __init__(
        self,
        network: Network,
        folds: Sequence[Fold],
        settings: TrainingSettings,
        *,
        max_steps: int,
        validate: Callable[[], float] | None = None,
        device: torch.device | None = None,
        progress: Progress | None = None,
        state_file: Path | None = None,
        processes: Processes | None = None,
    ) -> None:
        """Set up a run; nothing happens before `run`.

        Args:
            network: trained in place.
            folds: visited in turn, one a batch; those without examples must be left out.
            max_steps: exactly this many without `validate`, at most this many with it.
            validate: value of the network's present state, higher is better.
            state_file: written every `checkpoint_every` steps; a run that finds it goes on from there.
            processes: who shares the work; None = the group that was joined, if any.
        Raises:
            ConfigError: the batches of a step cannot be dealt out evenly to the processes.
        """
        self.network, self._folds, self._settings = network, list(folds), settings
        self._max_steps, self._validate, self._progress = max_steps, validate, progress
        self._device = device or torch.device("cpu")
        self._processes = processes or present()
        self._mine = self._processes.share(settings.micro_batches)
        self._state_file = state_file
        tables = {id(p) for p in network.embedding_parameters()}
        rest = [p for p in network.parameters() if id(p) not in tables]
        self.optimizer = torch.optim.AdamW(
            [
                {"params": rest, "lr": settings.learning_rate},
                {"params": network.embedding_parameters(), "lr": settings.embedding_learning_rate},
            ],
            weight_decay=settings.weight_decay,
        )
        self.history: list[dict[str, Any]] = []
        self.best_step = 0
        self._best_value, self._stale, self._step = -math.inf, 0, 0
        self._average = _copy(network)
        self._best_state = self._average
        self._losses: list[float] = []
        self._draws: dict[str, int] = {}

    def run(self) -> None:
        """Train to the end of the budget or of patience, from the start or from where a killed run stood.

        Raises:
            DivergedError: a loss or gradient is not finite.
            ProcessLostError: another process of the group is gone, or holds another model.
        """
        started = time.monotonic()
        self._processes.same(self._all_numbers(), "before training")
        found = self._processes.from_first(self._saved, "looking for a saved state")
        if found is not None:
            self._restore(found)
        elif self._validate is not None:
            self._judge(started)
        while self._step < self._max_steps and not self._out_of_patience():
            self._step += 1
            loss = self._one_step()
            self._losses.append(loss)
            if self._progress is not None and self._processes.is_first:
                self._progress(self._step, self._max_steps, loss)
            if self._step % self._settings.validate_every == 0 or self._step == self._max_steps:
                self._judge(started)
            if self._step % self._settings.checkpoint_every == 0:
                self._save()
        if self._validate is None:
            self.best_step, self._best_state = self._step, self._average
        self._processes.same(self._best_state.values(), "after training")
        self.network.load_state_dict(self._best_state)

    def _out_of_patience(self) -> bool:
        return self._validate is not None and self._stale >= self._settings.patience

    def _save(self) -> None:
        if self._state_file is not None and self._processes.is_first:
            save(self._state(), self._state_file)

    def _saved(self) -> Checkpoint | None:
        return load(self._state_file) if self._state_file is not None and self._state_file.is_file() else None

    def _all_numbers(self) -> Iterator[Tensor]:
        """What must be equal in every process: the network, and what the folds were made from."""
        yield from self.network.state_dict().values()
        for fold in self._folds:
            yield from (fold.inputs.product_const, fold.inputs.vehicle_const_SD, fold.inputs.cold_K)

    def _one_step(self) -> float:
        """One optimizer step on the mean over the step's batches, each over the next fold's graph."""
        n_batches = self._settings.micro_batches
        self.network.train()
        self.optimizer.zero_grad(set_to_none=False)
        numbers: dict[str, float] = {"loss": 0.0}
        for nth in self._mine:
            drawn = self._step * n_batches + nth
            fold = self._folds[drawn % len(self._folds)]
            rng = np.random.default_rng([self._settings.seed, drawn])
            batch = fold.batches.make(rng).to(self._device)
            # Reseeded for every batch, so that dropout after a resume or elsewhere is what it would have been.
            torch.manual_seed(int(rng.integers(2**31)))
            loss = self._loss(fold.inputs, batch) / n_batches
            loss.backward()
            numbers["loss"] += float(loss.detach())
            for kind, n in batch.draws.items():
                numbers[kind] = numbers.get(kind, 0) + n
        gradients = [p.grad for p in self.network.parameters() if p.grad is not None]
        numbers = self._processes.add_up(gradients, numbers, f"training step {self._step}")
        norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), self._settings.gradient_clip)
        value = numbers.pop("loss")
        if not (math.isfinite(value) and math.isfinite(float(norm))):
            raise DivergedError(
                f"training step {self._step}: loss {value}, gradient norm {float(norm)}. "
                "Lower training.learning_rate or training.gradient_clip."
            )
        self.optimizer.step()
        self._update_average()
        for kind, count in numbers.items():
            self._draws[kind] = self._draws.get(kind, 0) + int(count)
        return value

    def _update_average(self) -> None:
        """Exponential average of the weights, with a short memory at first, so that the start does not linger."""
        memory = min(self._settings.weight_averaging, self._step / (self._step + 10))
        now = _copy(self.network)
        self._average = {name: now[name].lerp(old, memory) for name, old in self._average.items()}

    def _loss(self, inputs: GraphInputs, batch: Batch) -> Tensor:
        network, settings = self.network, self._settings
        encoded = network.encode(inputs)
        user_BO = network.read_users(encoded, batch.users)[batch.query_B]
        against = (encoded.product_PO, encoded.bias_P)
        positive_B = own_scores(user_BO, *against, batch.product_B[:, None])[:, 0]
        negative_BN = own_scores(user_BO, *against, batch.own_BN)
        if settings.loss == "bce":
            return weighted_bce(positive_B, negative_BN, batch.own_usable_BN, batch.weight_B)
        comparable = batch.fits_B & batch.own_usable_BN.any(dim=1)
        fitting = sampled_softmax(positive_B, negative_BN, batch.own_usable_BN, batch.weight_B * comparable)
        shared_BG = shared_scores(user_BO, *against, batch.shared_G) - batch.log_q_G
        everything = sampled_softmax(positive_B, shared_BG, batch.shared_usable_BG, batch.weight_B)
        return settings.fitting_loss_weight * fitting + (1 - settings.fitting_loss_weight) * everything

    def _judge(self, started: float) -> None:
        value = None
        if self._validate is not None:
            raw = _copy(self.network)
            self.network.load_state_dict(self._average)
            value = self._processes.from_first(self._validate, f"validation after step {self._step}")
            self.network.load_state_dict(raw)
        entry = {
            "step": self._step,
            "loss": float(np.mean(self._losses)) if self._losses else None,
            "validation_recall_at_10": value,
            "seconds": time.monotonic() - started,
            "draws": dict(self._draws),
        }
        self.history.append(entry)
        self._losses, self._draws = [], {}
        logger.info(
            "training step %d: loss %s, validation Recall@10 %s, %.1f s",
            self._step,
            "none yet" if entry["loss"] is None else f"{entry['loss']:.4f}",
            "not asked" if value is None else f"{value:.4f}",
            entry["seconds"],
        )
        if value is None:
            return
        if not math.isfinite(value):
            raise DivergedError(f"training step {self._step}: the validation value is {value}")
        if value > self._best_value:
            self._best_value, self.best_step, self._stale = value, self._step, 0
            self._best_state = self._average
        else:
            self._stale += 1

    def optimizer_tensors(self) -> dict[str, Tensor]:
        """Moments of each parameter as `<parameter>/<moment>`; empty before the first step."""
        names = {id(p): name for name, p in self.network.named_parameters()}
        return {
            f"{names[id(p)]}/{moment}": tensor.detach().clone()
            for p, state in self.optimizer.state.items()
            for moment, tensor in state.items()
        }

    def load_optimizer(self, tensors: dict[str, Tensor]) -> None:
        """Take over moments by parameter name; parameters without any start afresh."""
        for name, p in self.network.named_parameters():
            found = {k.removeprefix(f"{name}/"): t for k, t in tensors.items() if k.rsplit("/", 1)[0] == name}
            if found:
                # AdamW counts its steps on the CPU; all else, a scalar's moments too, stands beside the parameter.
                self.optimizer.state[p] = {
                    moment: t.clone().to("cpu" if moment == "step" else p.device) for moment, t in found.items()
                }

    def _state(self) -> Checkpoint:
        tensors = {MODEL + k: v for k, v in _copy(self.network).items()}
        # Best and average may be the very same tensors, which the file format refuses.
        tensors |= {BEST + k: v.clone() for k, v in self._best_state.items()}
        tensors |= {AVERAGE + k: v for k, v in self._average.items()}
        tensors |= {OPTIMIZER + k: v for k, v in self.optimizer_tensors().items()}
        meta = {
            "format": FORMAT,
            "step": self._step,
            "best_step": self.best_step,
            "best_value": None if self._best_value == -math.inf else self._best_value,
            "stale": self._stale,
            "losses": self._losses,
            "draws": self._draws,
            "history": self.history,
        }
        return Checkpoint(tensors, meta)

    def _restore(self, state: Checkpoint) -> None:
        self.network.load_state_dict(state.part(MODEL))
        self._best_state, self._average = (
            {name: t.to(self._device) for name, t in state.part(part).items()} for part in (BEST, AVERAGE)
        )
        self.load_optimizer(state.part(OPTIMIZER))
        meta = state.meta
        self._step, self.best_step, self._stale = meta["step"], meta["best_step"], meta["stale"]
        self._best_value = -math.inf if meta["best_value"] is None else meta["best_value"]
        self._losses, self._draws, self.history = meta["losses"], meta["draws"], meta["history"]
        logger.info("training resumes after step %d from %s", self._step, self._state_file)


def _copy(network: Network) -> dict[str, Tensor]:
    """Stays on the network's device: a copy to the host waits for the GPU, and this is made at every step."""
    return {name: t.detach().clone() for name, t in network.state_dict().items()}

"""Who is served which policy in a week: the rollout's share once it has started, before that the experiment's arms.

What belongs here: the decision for every user. What does not: the hash (assignment.py), the lists (scoring).

Shape letters: U users.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gnn_core.config import ExperimentSettings, Settings
from gnn_core.errors import ShapeError
from gnn_core.experiment.assignment import HOLDOUT, TREATMENT, arms_of, in_share
from gnn_core.experiment.rollout import START, Move, served_share


@dataclass(frozen=True)
class ServingArms:
    """Of every user: the arm that the published row names, and whether the promoted policy is theirs."""

    arm_U: NDArray[np.object_]
    """`control`, `treatment` or `holdout` while an experiment runs; otherwise `holdout` or None."""
    promoted_U: NDArray[np.bool_]
    why: str
    """For the materialisation's page."""

    def __post_init__(self) -> None:
        if self.arm_U.shape != self.promoted_U.shape:
            raise ShapeError(f"arms are {self.arm_U.shape} and promoted {self.promoted_U.shape}; one entry a user")


def is_running(settings: ExperimentSettings, as_of: dt.date) -> bool:
    """Whether a table published at this date is read by the experiment's e-mails."""
    return settings.start is not None and settings.start <= as_of < settings.start + dt.timedelta(days=settings.days)


def governs(moves: Sequence[Move], experiment: ExperimentSettings, as_of: dt.date) -> bool:
    """Whether the rollout decides who is served: it was started, and no experiment that began after that is running.

    An experiment takes over on its own start and not on the day it is planned. When its window is over, the ledger's
    share holds again until somebody moves it: who was served for good must not lose that to a default.
    """
    starts = [move.at for move in moves if move.action == START]
    if not starts:
        return False
    return not is_running(experiment, as_of) or begun_after(max(starts), experiment)


def begun_after(start: dt.datetime, experiment: ExperimentSettings) -> bool:
    """Whether a rollout that was started then came after the experiment's start, and so out of its verdict."""
    return experiment.start is None or start.date() > experiment.start


def governing_share(moves: Sequence[Move], experiment: ExperimentSettings, as_of: dt.date) -> float | None:
    """Share of the users that the rollout's ledger gives the promoted policy; None where no rollout governs."""
    return served_share(moves, 0.0) if governs(moves, experiment, as_of) else None


def serving_arms(
    user_ids: NDArray[np.object_], as_of: dt.date, settings: Settings, rollout_share: float | None
) -> ServingArms:
    """Decide for every user.

    Args:
        as_of: of the table that is being made.
        rollout_share: the rollout ledger's word, which ends an experiment; None = no rollout governs this week.
    """
    experiment = settings.experiment
    if rollout_share is None and is_running(experiment, as_of):
        arm_U, _ = arms_of(user_ids, experiment)
        return ServingArms(arm_U, arm_U == TREATMENT, f"experiment {experiment.name} runs")
    share = settings.serving.hybrid_share if rollout_share is None else rollout_share
    held_U = in_share(user_ids, experiment.holdout_share, experiment.holdout_salt)
    source = "serving.hybrid_share" if rollout_share is None else "the rollout ledger"
    promoted_U = in_share(user_ids, share, settings.serving.share_salt) & ~held_U
    arm_U = np.full(len(user_ids), None, dtype=object)
    arm_U[held_U] = HOLDOUT
    return ServingArms(arm_U, promoted_U, f"{source} says {share:.0%}")

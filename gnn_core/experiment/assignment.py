"""Who is in which arm: a salted hash of the user id, the same in Python and in GoogleSQL, in any week.

What belongs here: the hash, the arms, the rows of the assignment table. What does not: what an arm is served
(scoring), what came of it (readout.py).

A user's bucket is the first 15 hex digits of SHA-256("salt:user_id") read as a number below 16^15. It depends on id and
salt alone: nobody changes arm from week to week, another salt draws anew, and a larger share only adds users.

Shape letters: U users.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from gnn_core.config import ExperimentSettings
from gnn_core.contracts import TIMESTAMP
from gnn_core.errors import ConfigError, ContractError
from gnn_core.snapshot import Int

CONTROL, TREATMENT, HOLDOUT = "control", "treatment", "holdout"
ARMS = (CONTROL, TREATMENT)
"""Compared by gate 2; the holdout is not."""
BUCKETS = 16**15

_S = pa.string()
ASSIGNMENTS = pa.schema(
    [
        pa.field("experiment", _S, nullable=False),
        pa.field("user_id", _S, nullable=False),
        pa.field("arm", _S, nullable=False),
        pa.field("bucket", pa.int64(), nullable=False),
        pa.field("eligible", pa.bool_(), nullable=False),
        pa.field("why_not", _S),
        pa.field("engagement_tier", _S, nullable=False),
        pa.field("email_consent", pa.bool_(), nullable=False),
        pa.field("assigned_at", TIMESTAMP, nullable=False),
        pa.field("run_id", _S, nullable=False),
    ]
)
"""One row a user and experiment. `eligible`: both arms could have been served before anyone was assigned; `why_not`
says why a user is left out of the analysis. Tier and consent are those of the start."""


def limit_of(share: float) -> int:
    """Buckets below this number are the share: an integer, so that no engine rounds it differently.

    Raises:
        ConfigError: the share lies outside [0, 1].
    """
    if not 0 <= share <= 1:
        raise ConfigError(f"a share of users is {share!r}; it must lie between 0 and 1")
    return round(share * BUCKETS)


def buckets(user_ids: Sequence[str] | NDArray[np.object_], salt: str) -> Int:
    """(U,) numbers in [0, 16^15)."""
    digests = (hashlib.sha256(f"{salt}:{user}".encode()).hexdigest() for user in user_ids)
    return np.fromiter((int(digest[:15], 16) for digest in digests), dtype=np.int64, count=len(user_ids))


def in_share(user_ids: Sequence[str] | NDArray[np.object_], share: float, salt: str) -> NDArray[np.bool_]:
    """(U,) whether each user is in the share; a larger share only adds users."""
    limit = limit_of(share)
    if limit in (0, BUCKETS):
        return np.full(len(user_ids), limit == BUCKETS)
    return buckets(user_ids, salt) < limit


def arms_of(
    user_ids: Sequence[str] | NDArray[np.object_], settings: ExperimentSettings
) -> tuple[NDArray[np.object_], Int]:
    """(U,) arm and (U,) bucket of each user."""
    bucket_U = buckets(user_ids, settings.salt)
    arm_U = np.where(bucket_U < limit_of(settings.treatment_share), TREATMENT, CONTROL).astype(object)
    arm_U[in_share(user_ids, settings.holdout_share, settings.holdout_salt)] = HOLDOUT
    return arm_U, bucket_U


def sql_parameters(settings: ExperimentSettings) -> dict[str, object]:
    """Parameters of sql/experiment/assignment.sql."""
    return {
        "salt": settings.salt,
        "holdout_salt": settings.holdout_salt,
        "treatment_limit": limit_of(settings.treatment_share),
        "holdout_limit": limit_of(settings.holdout_share),
    }


def assignment_rows(
    user_ids: NDArray[np.object_],
    *,
    why_not_U: NDArray[np.object_],
    tier_U: NDArray[np.object_],
    consent_U: NDArray[np.bool_],
    settings: ExperimentSettings,
    assigned_at: dt.datetime,
    run_id: str,
) -> pa.Table:
    """Rows of the assignment table, in the order of `user_ids`.

    Args:
        why_not_U: None for users whom both arms can serve; otherwise the reason why they are left out.
        assigned_at: the start of the experiment; everything else here was known before it.
    Raises:
        ContractError: a user occurs twice, or `assigned_at` has no time zone.
    """
    if assigned_at.tzinfo is None:
        raise ContractError(f"assigned_at {assigned_at} has no time zone; give a UTC moment")
    names, times = np.unique(user_ids.astype(str), return_counts=True)
    if (times > 1).any():
        raise ContractError(f"assignment: user {names[times > 1][0]} occurs twice; give each user once")
    arm_U, bucket_U = arms_of(user_ids, settings)
    n = len(user_ids)
    return pa.table(
        {
            "experiment": pa.repeat(pa.scalar(settings.name, _S), n),
            "user_id": pa.array(user_ids, _S),
            "arm": pa.array(arm_U, _S),
            "bucket": pa.array(bucket_U),
            "eligible": pa.array([reason is None for reason in why_not_U], pa.bool_()),
            "why_not": pa.array(why_not_U, _S),
            "engagement_tier": pa.array(tier_U, _S),
            "email_consent": pa.array(consent_U, pa.bool_()),
            "assigned_at": pa.repeat(pa.scalar(assigned_at, TIMESTAMP), n),
            "run_id": pa.repeat(pa.scalar(run_id, _S), n),
        },
        schema=ASSIGNMENTS,
    )

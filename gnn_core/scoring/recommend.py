"""The full pass: every user either gets a list or is counted, with the reason, among those who do not.

What belongs here: who is served which policy, blocks, counts. What does not: columns (rows.py), the audit and the move
(publishing). Shape letters: U users, A audience rows, K slots, R rows of a block, P products.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from gnn_core.config import Settings
from gnn_core.errors import ConfigError, ContractError
from gnn_core.experiment.serving_arms import ServingArms, serving_arms
from gnn_core.explanation.choose import Reasons, choose_reasons
from gnn_core.explanation.evidence import GraphEvidence
from gnn_core.explanation.shares import reads_own_events, shares_of
from gnn_core.publishing.schema import RECOMMENDATIONS, SOURCES
from gnn_core.recommender import Audience, Recommender
from gnn_core.scoring.audience import build_audience
from gnn_core.scoring.candidates import Candidates
from gnn_core.scoring.diversity import ListMaker
from gnn_core.scoring.hybrid import Hybrid
from gnn_core.scoring.rank import Bool, Float, checked_block, require_finite
from gnn_core.scoring.rows import Lists, Proofs, RowContext, build_rows, prove
from gnn_core.snapshot import Int, Snapshot

logger = logging.getLogger(__name__)

NO_CONSENT = "no e-mail consent"
NO_VEHICLE = "no vehicle"
THIN_VEHICLES = "no vehicle with enough eligible products"
TOO_FEW = "too few products after the business rules"
WITHOUT = (NO_CONSENT, NO_VEHICLE, THIN_VEHICLES, TOO_FEW)
"""Reasons for no list; a user is counted under the first that applies."""
_SERVED = -1


@dataclass(frozen=True)
class RecommendationLists:
    """Rows to stage, and where every user went: n_users = users_by_source + without, summed."""

    table: pa.Table
    """Schema of publishing/schema.py, ordered by source, then user, then slot."""
    n_users: int
    users_by_source: dict[str, int]
    without: dict[str, int]
    """Reason → users; every reason of WITHOUT is a key."""

    @property
    def n_served(self) -> int:
        """Users with a list."""
        return sum(self.users_by_source.values())


def recommend(
    policy: Recommender,
    *,
    sql: Recommender | None,
    gnn: Recommender | None,
    train: Snapshot,
    users: Int,
    eligible_P: Bool,
    settings: Settings,
    source: str,
    run_id: str,
    scored_at: dt.datetime,
    arms: ServingArms | None = None,
) -> RecommendationLists:
    """Score `users`, apply the business rules, and write the rows of everyone who has at least `scoring.min_slots`.

    Users to whom the promoted policy is not served (see experiment/serving_arms.py) get SQL's list instead.

    Args:
        policy: fitted; what is served. A Hybrid is blended from its own components, which are scored once.
        sql, gnn: fitted; fill the component columns, and `sql` serves those outside the share. May be `policy` itself.
        users: indices into `train.user_ids`; repeats count once.
        source: label of the policy's rows, one of publishing.schema.SOURCES. SQL's rows carry `sql.name`.
        scored_at: aware moment that is written into the rows.
        arms: of every user of `train`; None = no rollout has started, the settings decide.
    Raises:
        ConfigError: somebody is to be served SQL's list, but there is no `sql`.
        ContractError: a source is unknown, or `scored_at` is naive.
        DataError: a score is NaN or infinite, or nothing is eligible.
    """
    if scored_at.tzinfo is None:
        raise ContractError(f"scored_at {scored_at} has no time zone; give a UTC moment")
    users = np.unique(np.asarray(users, dtype=np.int64))
    fate_U = _fate_before_scoring(train, users, settings)
    reachable = np.flatnonzero(fate_U == _SERVED)
    audience, row_U = build_audience(train, users[reachable])
    candidates = Candidates(
        train,
        audience,
        eligible_P,
        settings.scoring,
        min_products_per_vehicle=settings.eligibility.min_products_per_vehicle,
    )
    if arms is None:
        arms = serving_arms(train.user_ids, train.as_of.astype("datetime64[D]").item(), settings, None)
    shares = _shares(policy, sql, arms.promoted_U[users[reachable]], arms.why, source)
    lists = _score(shares, sql, gnn, audience, candidates, train, settings)
    context = RowContext(train, run_id, scored_at, settings.publish.pipeline_version)
    evidence = GraphEvidence(train, settings.graph)
    thin_A = np.diff(candidates.servable_AV.indptr) == 0
    chunks: list[pa.Table] = []
    users_by_source: dict[str, int] = {}
    for share, its in zip(shares, lists, strict=True):
        full_U = (its.length_A >= settings.scoring.min_slots)[row_U]
        fate_U[reachable[share.member_U & ~full_U]] = WITHOUT.index(TOO_FEW)
        listed = share.member_U & full_U
        of_list = users[reachable[listed]]
        proofs = prove(its, candidates.servable_AV, train)
        reasons = _reasons(share.policy, its, proofs, audience, train, evidence, settings)
        chunks += build_rows(its, of_list, row_U[listed], proofs, reasons, context, arms.arm_U[of_list])
        users_by_source[share.source] = users_by_source.get(share.source, 0) + int(listed.sum())
    fate_U[reachable[thin_A[row_U]]] = WITHOUT.index(THIN_VEHICLES)
    without = {reason: int((fate_U == code).sum()) for code, reason in enumerate(WITHOUT)}
    logger.info(
        "%d users in %d audience rows; by source %s; without %s", len(users), len(audience), users_by_source, without
    )
    return RecommendationLists(
        table=pa.concat_tables(chunks) if chunks else RECOMMENDATIONS.empty_table(),
        n_users=len(users),
        users_by_source=users_by_source,
        without=without,
    )


@dataclass(frozen=True)
class _Share:
    """One policy, the label of its rows, and which of the reachable users get its lists."""

    policy: Recommender
    source: str
    member_U: Bool


def _fate_before_scoring(train: Snapshot, users: Int, settings: Settings) -> Int:
    """(U,) position in WITHOUT of those who cannot be served whatever the scores; _SERVED for the others."""
    fate_U = np.full(len(users), _SERVED, dtype=np.int64)
    fate_U[np.diff(train.owns_UV.indptr)[users] == 0] = WITHOUT.index(NO_VEHICLE)
    if settings.eligibility.require_email_consent:
        fate_U[~train.consent_U[users]] = WITHOUT.index(NO_CONSENT)
    return fate_U


def _shares(policy: Recommender, sql: Recommender | None, promoted_U: Bool, why: str, source: str) -> list[_Share]:
    """Who is served which policy; everyone the policy when it is SQL itself. Policies that nobody gets are left out."""
    promoted = np.ones_like(promoted_U) if policy is sql else promoted_U
    shares = [_Share(policy, source, promoted)]
    if not promoted.all():
        if sql is None:
            raise ConfigError(
                f"{why}, so {int((~promoted).sum())} user(s) are to be served SQL's list, "
                "but no SQL recommender was given"
            )
        shares.append(_Share(sql, sql.name, ~promoted))
    for label in (s.source for s in shares):
        if label not in SOURCES:
            raise ContractError(f"source {label!r} is none of {SOURCES}; rows with it would be refused")
    return [s for s in shares if s.member_U.any()]


def _score(
    shares: Sequence[_Share],
    sql: Recommender | None,
    gnn: Recommender | None,
    audience: Audience,
    candidates: Candidates,
    train: Snapshot,
    settings: Settings,
) -> list[Lists]:
    """Lists of every policy for every audience row, block by block."""
    shape = (len(audience), settings.scoring.slots)
    lists = [
        Lists(
            source=share.source,
            product_AK=np.full(shape, -1, dtype=np.int64),
            final_AK=np.full(shape, np.nan),
            sql_AK=None if sql is None else np.full(shape, np.nan),
            gnn_AK=None if gnn is None else np.full(shape, np.nan),
        )
        for share in shares
    ]
    blocks = _Blocks(
        [*(s.policy for s in shares), *(r for r in (sql, gnn) if r is not None)], audience, len(train.product_ids)
    )
    makers = [ListMaker(share.policy, train, settings.scoring) for share in shares]
    for start, stop in _spans(len(audience), settings.scoring.block_rows):
        blocks.clear()
        mask, purchased = candidates.mask(start, stop), candidates.purchased(start, stop)
        for policy, maker, its in zip((s.policy for s in shares), makers, lists, strict=True):
            scores = blocks.of(policy, start, stop, mask)
            index, final = maker.lists(scores, mask, purchased, settings.scoring.slots)
            its.product_AK[start:stop], its.final_AK[start:stop] = index, final
            for component, column in ((sql, its.sql_AK), (gnn, its.gnn_AK)):
                if component is not None and column is not None:
                    raw = np.take_along_axis(blocks.of(component, start, stop, mask), np.maximum(index, 0), axis=1)
                    column[start:stop] = np.where(index >= 0, raw, np.nan)
    return lists


def _reasons(
    policy: Recommender,
    lists: Lists,
    proofs: Proofs,
    audience: Audience,
    train: Snapshot,
    evidence: GraphEvidence,
    settings: Settings,
) -> Reasons:
    return choose_reasons(
        lists.product_AK,
        proofs.vehicle_AK,
        proofs.universal_AK,
        audience,
        train,
        evidence,
        settings.discovery.reason_min_people,
        shares=shares_of(policy),
        own_events=reads_own_events(policy),
    )


class _Blocks:
    """Each model prepared once, and each block of it scored once, however many lists and columns read it."""

    def __init__(self, recommenders: Sequence[Recommender], audience: Audience, n_products: int) -> None:
        self._n_products = n_products
        self._scored: dict[int, Float] = {}
        parts = [p for r in recommenders for p in ((r.sql, r.gnn) if isinstance(r, Hybrid) else (r,))]
        for part in {id(p): p for p in parts}.values():
            part.prepare(audience)

    def clear(self) -> None:
        """Forget the last block."""
        self._scored.clear()

    def of(self, recommender: Recommender, start: int, stop: int, mask: Bool) -> Float:
        """(R, P) checked scores of the block at hand."""
        if id(recommender) not in self._scored:
            if isinstance(recommender, Hybrid):
                sql, gnn = (self.of(part, start, stop, mask) for part in (recommender.sql, recommender.gnn))
                scores = recommender.blend(sql, gnn, mask)
                require_finite(scores, recommender.name, first_row=start)
            else:
                scores = checked_block(recommender, start, stop, self._n_products)
            self._scored[id(recommender)] = scores
        return self._scored[id(recommender)]


def _spans(n: int, size: int) -> Iterator[tuple[int, int]]:
    for start in range(0, n, size):
        yield start, min(start + size, n)

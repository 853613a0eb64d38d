"""Settings of what happens after gate 1: the experiment, the rollout, what is watched, what it may cost."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from typing import ClassVar

from gnn_core.config.checks import at_least, identifier, within
from gnn_core.errors import ConfigError


@dataclass(frozen=True)
class ExperimentSettings:
    """The A/B test behind gate 2. Fixed before it starts; a change of salt or shares is another experiment."""

    SECTION: ClassVar[str] = "experiment"

    name: str
    salt: str
    """Hashed with the user id: another experiment takes another salt, so that its arms are independent of these."""
    start: dt.date | None
    """Monday of the first send, which is the as-of date of the assignment; null = no experiment."""
    weeks: int
    treatment_share: float
    """Share of the users outside the holdout who get the treatment."""
    holdout_share: float
    """Share who keep SQL through every experiment and rollout, to measure the programme against; outside gate 2."""
    holdout_salt: str
    threshold: float
    """τ of gate 2: relative lift of distinct clickers per assigned eligible user."""
    planned_lift: float
    """δ of the plan; must exceed τ."""
    power: float
    confidence: float
    max_days: int
    """Longest experiment that a plan may suggest."""
    min_control_clickers: int
    srm_p_value: float
    attribution_days: float
    """A click later than this after its send is not counted."""
    clock_tolerance_minutes: float
    """An engagement this much before its send is a clock that runs ahead; earlier ones are dropped."""
    settle_days: int
    """The planned end is read this many days after the last send day: engagements come late."""
    history_days: int
    """CUPED and the base rate of the plan look this far back before the start."""
    cuped: bool
    min_history_share: float
    """CUPED is used when at least this share of the users was mailed in the history."""
    max_two_arm_share: float
    max_crossover_share: float
    order_margin: float | None
    """Relative loss of buyers that the order guardrail must exclude; null = harm alone is judged."""
    assignments_table: str

    def __post_init__(self) -> None:
        if self.start is not None and self.start.weekday() != 0:
            raise ConfigError(f"experiment.start is {self.start}, a {self.start:%A}; experiments start on a Monday")
        if not self.name or not self.salt or not self.holdout_salt or self.salt == self.holdout_salt:
            raise ConfigError("experiment.name, salt and holdout_salt must be texts, and the two salts must differ")
        for name in ("weeks", "max_days", "min_control_clickers", "history_days"):
            at_least(self, name, 1)
        at_least(self, "settle_days", 0)
        within(self, "treatment_share", 0.01, 0.99)
        within(self, "holdout_share", 0, 0.5)
        within(self, "power", 0.5, 0.99)
        within(self, "confidence", 0.5, 0.999)
        within(self, "srm_p_value", 1e-9, 0.05)
        at_least(self, "threshold", 0)
        if self.planned_lift <= self.threshold:
            raise ConfigError(
                f"experiment.planned_lift is {self.planned_lift}, no more than experiment.threshold {self.threshold}: "
                "no sample size passes such an effect more than half the time; plan a larger one or lower the threshold"
            )
        at_least(self, "attribution_days", 0.01)
        at_least(self, "clock_tolerance_minutes", 0)
        for name in ("min_history_share", "max_two_arm_share", "max_crossover_share"):
            within(self, name, 0, 1)
        if self.order_margin is not None:
            within(self, "order_margin", 0.001, 0.99)
        identifier(self, "assignments_table")

    @property
    def days(self) -> int:
        """Planned length in days."""
        return 7 * self.weeks


@dataclass(frozen=True)
class RolloutSettings:
    """From the first tenth of the users to all of them."""

    SECTION: ClassVar[str] = "rollout"

    stages: tuple[float, ...]
    """Rising shares; the last is 1."""
    stage_days: tuple[int, ...]
    """Days that each stage but the last is served at least."""
    longest_hold_days: int
    """A stage held longer than this past its days needs a person's decision."""
    ctr_margin: float
    """Relative loss of clickers that a green CTR guard excludes."""
    ctr_harm: float
    """Relative loss of clickers that the guard is made to show soonest."""
    max_staleness_days: int
    """Age of the live table at which the freshness guard turns red."""
    ledger: str

    def __post_init__(self) -> None:
        rising = all(a < b for a, b in zip(self.stages, self.stages[1:], strict=False))
        if not self.stages or not rising or self.stages[0] <= 0 or self.stages[-1] != 1.0:
            raise ConfigError(f"rollout.stages is {self.stages}; shares must rise from above 0 to exactly 1")
        if len(self.stage_days) != len(self.stages) - 1 or any(d < 1 for d in self.stage_days):
            raise ConfigError(
                f"rollout.stage_days is {self.stage_days}; give a number of days for each of the first "
                f"{len(self.stages) - 1} stages"
            )
        at_least(self, "longest_hold_days", 1)
        at_least(self, "max_staleness_days", 1)
        within(self, "ctr_margin", 0.001, 0.99)
        within(self, "ctr_harm", 0.001, 0.99)
        identifier(self, "ledger")


@dataclass(frozen=True)
class MonitoringSettings:
    """Thresholds of what is watched; a crossed one is a warning unless a guard of the rollout reads it."""

    SECTION: ClassVar[str] = "monitoring"

    psi_bins: int
    psi_warn: float
    psi_alarm: float
    drift_confidence: float
    """A distribution has moved when it did so by more than chance does with this probability."""
    reference_weeks: int
    """Weeks before the one that is looked at, against which it is compared."""
    min_aligned_cosine: float
    """Mean cosine of vectors with those of the reference, after the best rotation, over √share of known events."""
    min_neighbours_kept: float
    """Nearest neighbours that a product keeps, as a share of those that healthy fits keep: 1 − √share of new events."""
    neighbours: int
    drift_sample: int
    """Products compared by neighbourhood; more cost time and move the mean little."""
    max_norm_change: float
    """Relative change of the median norm of vectors; as much again for every doubling of the events."""
    max_norms_moved: float
    """Share of the entities whose norm may change by more than a factor of 2 beside the median's; likewise."""
    max_vanished: float
    """Share of the entities that may lose a part of their vector which they had."""
    max_moved_share: float
    """How much of what scores differ by may go from some parts of the score to others; beyond it is a warning."""
    min_cold_coverage: float
    max_fallback_share: float
    max_shared_products: float
    """Share of a list that another user's holds too."""
    min_part_types_per_list: float
    min_catalogue_coverage: float
    """Share of the eligible products that stand in some list."""
    min_intra_list_distance: float
    min_ctr_ratio: float
    """CTR of the week over that of the weeks before."""
    min_conversion_ratio: float
    """Buyers per mailed user, likewise."""
    min_sends: int
    """Fewer sends than this say nothing about a CTR."""
    cold_share_wait: float
    """Below this share of cold users, "wait for more data" has come true."""

    def __post_init__(self) -> None:
        at_least(self, "psi_bins", 2)
        at_least(self, "psi_alarm", self.psi_warn)
        for name in ("neighbours", "min_sends", "reference_weeks"):
            at_least(self, name, 1)
        at_least(self, "drift_sample", 2)
        within(self, "drift_confidence", 0.5, 0.999999)
        for name in ("max_norm_change", "min_part_types_per_list", "min_intra_list_distance"):
            at_least(self, name, 0)
        for name in (
            "min_aligned_cosine",
            "min_neighbours_kept",
            "max_norms_moved",
            "max_vanished",
            "max_moved_share",
            "min_cold_coverage",
            "max_fallback_share",
            "max_shared_products",
            "min_catalogue_coverage",
            "min_ctr_ratio",
            "min_conversion_ratio",
            "cold_share_wait",
        ):
            within(self, name, 0, 1)


@dataclass(frozen=True)
class CostSettings:
    """What a month may cost, and what things cost."""

    SECTION: ClassVar[str] = "cost"

    monthly_budget_usd: float
    stop_factor: float
    """At this many times the budget no further training starts until someone decides."""
    decided_month: str | None
    """Month (YYYY-MM) in which somebody decided to train on although the stop factor is reached."""
    usd_per_tib_billed: float
    usd_per_gib_month_stored: float
    usd_per_cpu_hour: float
    usd_per_gpu_hour: float
    ledger: str

    def __post_init__(self) -> None:
        at_least(self, "monthly_budget_usd", 0.01)
        at_least(self, "stop_factor", 1)
        if self.decided_month is not None and not re.fullmatch(r"\d{4}-\d{2}", self.decided_month):
            raise ConfigError(f"cost.decided_month is {self.decided_month!r}; write a month as 2026-03")
        for name in ("usd_per_tib_billed", "usd_per_gib_month_stored", "usd_per_cpu_hour", "usd_per_gpu_hour"):
            at_least(self, name, 0)
        identifier(self, "ledger")

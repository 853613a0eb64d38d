"""What the figures of a served week mean: each against its threshold, or not applicable, with the reason.

What belongs here: one entry a check. What does not: the figures (serving.py, mail_rates.py), thresholds (config), how a
check is shown (assets, pages). A warning informs; what stops a publish is a rule (publishing/rules.py), what stops a
rollout a guard (experiment/guards.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from gnn_core.config import MonitoringSettings
from gnn_core.evaluation.gate import percent, signed_percent

OK, WARN, NOT_APPLICABLE = "ok", "warning", "not applicable"


@dataclass(frozen=True)
class Finding:
    """One check of one week."""

    name: str
    state: str
    """`ok`, `warning`, or `not applicable`."""
    sentence: str
    value: float | None
    threshold: float

    @property
    def passed(self) -> bool:
        """What cannot be there is no fault."""
        return self.state != WARN


Metrics = Mapping[str, Any]
"""Content of `serving_metrics`."""


def weekly_findings(metrics: Metrics, settings: MonitoringSettings) -> dict[str, Finding]:
    """Every check of CHECKS on a week's metrics."""
    return {name: check(metrics, settings) for name, (_, check) in CHECKS.items()}


def _cold(m: Metrics, s: MonitoringSettings) -> Finding:
    name, limit = "cold_users_are_served", s.min_cold_coverage
    if m["cold_coverage"] is None:
        return _absent(name, limit, "no user of this store is cold: all of them did something before the as-of date")
    return _at_least(name, m["cold_coverage"], limit, "of the cold users have a list", percent)


def _fallback(m: Metrics, s: MonitoringSettings) -> Finding:
    return _at_most(
        "few_slots_fall_back", m["fallback_share"], s.max_fallback_share, "of the slots hold a fallback", percent
    )


def _alike(m: Metrics, s: MonitoringSettings) -> Finding:
    name, limit, shared = "lists_are_not_all_alike", s.max_shared_products, m["shared_products"]
    if m["vehicles"] == 1:
        return _absent(name, limit, _ONE_VEHICLE)
    if shared is None:
        return _absent(name, limit, "one user has a list")
    words = f"of a list stand in that of another user taken at random (Gini over all products {m['gini']:.3f})"
    return _at_most(name, shared, limit, words, percent)


def _kinds(m: Metrics, s: MonitoringSettings) -> Finding:
    words = "part types are in a list on average"
    return _at_least("lists_hold_several_kinds", m["part_types_per_list"], s.min_part_types_per_list, words)


def _catalogue(m: Metrics, s: MonitoringSettings) -> Finding:
    name = "the_catalogue_is_used"
    if m["vehicles"] == 1:
        return _absent(name, s.min_catalogue_coverage, _ONE_VEHICLE)
    words = "of the eligible products are in some list"
    return _at_least(name, m["catalogue_coverage"], s.min_catalogue_coverage, words, percent)


def _distance(m: Metrics, s: MonitoringSettings) -> Finding:
    name, limit = "products_of_a_list_differ", s.min_intra_list_distance
    if m["intra_list_distance"] is None:
        return _absent(name, limit, "no list holds two products that the model has vectors of")
    return _at_least(name, m["intra_list_distance"], limit, "is the mean 1 − cosine within a list")


def _ctr(m: Metrics, s: MonitoringSettings) -> Finding:
    return _rate("clicks_hold_up", m["mail"], "ctr", "clicks per send", s.min_ctr_ratio, s)


def _conversion(m: Metrics, s: MonitoringSettings) -> Finding:
    return _rate("orders_hold_up", m["mail"], "conversion", "buyers per mailed user", s.min_conversion_ratio, s)


def _scores(m: Metrics, s: MonitoringSettings) -> Finding:
    name, limit, found = "scores_keep_their_distribution", s.psi_alarm, m["scores"]["by_source"]
    if not found:
        return _absent(name, limit, str(m["scores"]["why"]))
    source, worst = max(found.items(), key=lambda item: item[1]["psi"] - max(limit, item[1]["by_chance"]))
    words = (
        f"PSI {worst['psi']:.3f} of the first slot's score under {source} (chance alone stays below "
        f"{worst['by_chance']:.3f}, the alarm is at {limit:g})"
    )
    moved = worst["psi"] > max(limit, worst["by_chance"])
    return Finding(name, WARN if moved else OK, f"{words}, against {m['scores']['why']}.", worst["psi"], limit)


CHECKS: dict[str, tuple[str, Callable[[Metrics, MonitoringSettings], Finding]]] = {
    "cold_users_are_served": ("Cold users have lists, as a share.", _cold),
    "few_slots_fall_back": ("Few slots hold a fallback.", _fallback),
    "lists_are_not_all_alike": ("Not everyone is sent the same few products.", _alike),
    "lists_hold_several_kinds": ("A list holds several part types.", _kinds),
    "the_catalogue_is_used": ("Enough of the catalogue is recommended to somebody.", _catalogue),
    "products_of_a_list_differ": ("The products of a list are not one product four times.", _distance),
    "clicks_hold_up": ("The week's clicks per send are not shown below those of the weeks before.", _ctr),
    "orders_hold_up": ("The week's buyers per mailed user are not shown below those of the weeks before.", _conversion),
    "scores_keep_their_distribution": ("The first slot's scores are distributed as a week ago.", _scores),
}
"""Name → (what it asks, how it is answered)."""
_ONE_VEHICLE = "one vehicle fits everything in this store, so that users without history get one list"


def _absent(name: str, threshold: float, why: str) -> Finding:
    return Finding(name, NOT_APPLICABLE, f"Not applicable: {why}.", None, threshold)


def _plain(value: float) -> str:
    return f"{value:.3g}"


def _at_least(name: str, value: float, limit: float, words: str, show: Callable[[float], str] = _plain) -> Finding:
    good = value >= limit
    sentence = f"{show(value)} {words}" + ("." if good else f", less than {show(limit)}.")
    return Finding(name, OK if good else WARN, sentence, value, limit)


def _at_most(name: str, value: float, limit: float, words: str, show: Callable[[float], str] = _plain) -> Finding:
    good = value <= limit
    sentence = f"{show(value)} {words}" + ("." if good else f", more than {show(limit)}.")
    return Finding(name, OK if good else WARN, sentence, value, limit)


def _rate(name: str, mail: Mapping[str, Any], rate: str, words: str, limit: float, s: MonitoringSettings) -> Finding:
    """A rate below its limit warns when it is shown to be below that of the reference at all."""
    now, before = mail["current"], mail["reference"]
    if before["sends"] == 0 and now["sends"] == 0:
        return _absent(name, limit, "this store has no e-mails in the week or the weeks before")
    for side, which in ((now, "the week has"), (before, "the weeks before have")):
        if side["sends"] < s.min_sends:
            return _absent(name, limit, f"{which} {side['sends']:,} sends, fewer than {s.min_sends:,}")
    lift = mail[rate]
    if lift["estimate"] is None:
        return _absent(name, limit, f"{words}: nobody did in the weeks before")
    ratio = 1 + lift["estimate"]
    interval = f"[{signed_percent(lift['low'])}, {signed_percent(lift['high'])}]"
    shown = lift["high"] is not None and lift["high"] < 0
    sentence = (
        f"{words}: {now[rate]:.4f} in the week, {before[rate]:.4f} in the {mail['weeks']} before, "
        f"{signed_percent(lift['estimate'])} {interval}"
    )
    if ratio < limit and shown:
        return Finding(name, WARN, f"{sentence}: below {limit:g} times.", ratio, limit)
    return Finding(name, OK, f"{sentence}.", ratio, limit)

"""The blocking rules that are questions to single rows and users: sentence, parameters, and which SQL file asks them.

What belongs here: one entry a rule. What does not: how a rule is run, and the rules that judge the table as a whole
(audit.py). Every file sql/audit/<rule>.sql selects `user_id, product_id, found` of what breaks the rule, so no row is a
pass; each treats a null as broken, since `null < 50` is not true in SQL.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gnn_core.config import Settings
from gnn_core.experiment.assignment import ARMS, HOLDOUT
from gnn_core.experiment.serving_arms import is_running
from gnn_core.publishing.schema import EVENT_PATHS, REASON_PATHS, SOURCES, TIERS, VIA_PATHS, WIDE_SLOTS

KNOWN_ARMS = (*ARMS, HOLDOUT)
"""What `arm` may say beside nothing."""
ASSIGNED_ARMS = "assigned_arms"
"""The one rule that a table which is made for nobody cannot keep."""
Parameters = Callable[[Settings, dt.datetime], Mapping[str, object]]


def _nothing(settings: Settings, until: dt.datetime) -> Mapping[str, object]:
    return {}


@dataclass(frozen=True)
class RowRule:
    """A rule that sql/audit/<name>.sql finds the offenders of."""

    name: str
    sentence: str
    """True when the rule holds; `{s.section.key}` is filled from the settings."""
    parameters: Parameters = _nothing
    """SQL parameters from the settings and the as-of moment (UTC)."""
    structural: bool = False
    """Whether a list that breaks it is broken in any week, so that a rollback asks it too. Needs no table of a week."""

    def says(self, settings: Settings) -> str:
        """The sentence with its numbers."""
        return self.sentence.format(s=settings, slots=min(settings.scoring.slots, WIDE_SLOTS))


def _slots(settings: Settings, until: dt.datetime) -> Mapping[str, object]:
    return {"min_slots": settings.scoring.min_slots, "slots": min(settings.scoring.slots, WIDE_SLOTS)}


def _floor(settings: Settings, until: dt.datetime) -> Mapping[str, object]:
    return {"min_price": settings.eligibility.min_price_usd}


def _enough(settings: Settings, until: dt.datetime) -> Mapping[str, object]:
    return {"min_products": settings.eligibility.min_products_per_vehicle}


def _universal(settings: Settings, until: dt.datetime) -> Mapping[str, object]:
    return {"universal_allowed": settings.scoring.universal_candidates > 0}


def _cap(settings: Settings, until: dt.datetime) -> Mapping[str, object]:
    return {"max_per_part_type": settings.scoring.max_per_part_type}


def _exclusion(settings: Settings, until: dt.datetime) -> Mapping[str, object]:
    return {"since": until - dt.timedelta(days=settings.scoring.purchase_exclusion_days), "until": until}


def _consent(settings: Settings, until: dt.datetime) -> Mapping[str, object]:
    return {"consent_required": settings.eligibility.require_email_consent}


def _sources(settings: Settings, until: dt.datetime) -> Mapping[str, object]:
    return {"sources": list(SOURCES)}


def _tiers(settings: Settings, until: dt.datetime) -> Mapping[str, object]:
    return {"tiers": list(TIERS)}


def _arms(settings: Settings, until: dt.datetime) -> Mapping[str, object]:
    return {"arms": list(KNOWN_ARMS)}


def _experiment(settings: Settings, until: dt.datetime) -> Mapping[str, object]:
    return {"runs": is_running(settings.experiment, until.date())}


def _reasons(settings: Settings, until: dt.datetime) -> Mapping[str, object]:
    return {
        "until": until,
        "paths": list(REASON_PATHS),
        "event_paths": list(EVENT_PATHS),
        "via_paths": list(VIA_PATHS),
        "min_orders": settings.graph.co_purchase_min_count,
        "min_people": settings.discovery.reason_min_people,
    }


ROW_RULES = (
    RowRule("required_values", "No required value is null or empty.", structural=True),
    RowRule("unique_slots", "No user has one slot twice.", structural=True),
    RowRule(
        "contiguous_slots",
        "Every user's slots are 1 to n without a gap, n from {s.scoring.min_slots} to {slots}.",
        _slots,
        structural=True,
    ),
    RowRule("unique_products", "No user is shown one product twice.", structural=True),
    RowRule("unique_variants", "No user is shown two variants of one base product."),
    RowRule("price_floor", "No product costs less than {s.eligibility.min_price_usd:g} USD.", _floor),
    RowRule("catalogue_price", "Every price is the catalogue's price of the week."),
    RowRule("catalogue_labels", "Every part type and image is the catalogue's."),
    RowRule("owned_vehicle", "Every vehicle named is owned by the user it is named for."),
    RowRule(
        "served_vehicle",
        "Every vehicle named has at least {s.eligibility.min_products_per_vehicle} eligible products.",
        _enough,
    ),
    RowRule(
        "fitment",
        "Every product has a year/make/model fitment row for its vehicle, or is universal while universals are allowed "
        "(scoring.universal_candidates is {s.scoring.universal_candidates}).",
        _universal,
    ),
    RowRule("truthful_proof", "Every fitment proof says why the product fits: universal or by a fitment row."),
    RowRule(
        "part_type_cap",
        "No user is shown more than {s.scoring.max_per_part_type} products of one part type.",
        _cap,
    ),
    RowRule("falling_scores", "Scores never rise along a user's slots.", structural=True),
    RowRule(
        "finite_scores", "Every final score is a finite number, and no part score is NaN or infinite.", structural=True
    ),
    RowRule(
        "no_recent_purchase",
        "No user is shown what they bought, in any variant, in the last {s.scoring.purchase_exclusion_days} days.",
        _exclusion,
    ),
    RowRule("https_images", "Every image is an https address.", structural=True),
    RowRule("eligible_products", "Every product is eligible."),
    RowRule("known_users", "Every user is in the week's users."),
    RowRule(
        "email_consent",
        "Every user has given e-mail consent, where it is required "
        "(eligibility.require_email_consent is {s.eligibility.require_email_consent}).",
        _consent,
    ),
    RowRule("known_sources", f"Every source is one of {', '.join(SOURCES)}.", _sources, structural=True),
    RowRule("known_tiers", f"Every engagement tier is one of {', '.join(TIERS)}.", _tiers, structural=True),
    RowRule("known_arms", f"Every arm is null or one of {', '.join(KNOWN_ARMS)}.", _arms, structural=True),
    RowRule(
        ASSIGNED_ARMS,
        "While an experiment runs every row names its user's arm by hash, otherwise only the holdout's do; "
        "and whom the experiment gives SQL is served SQL.",
        _experiment,
    ),
    RowRule(
        "true_reasons",
        "Every reason's path exists, edge by edge: the user's own events, at least {s.graph.co_purchase_min_count} "
        "joint orders, at least {s.discovery.reason_min_people} other people.",
        _reasons,
    ),
    RowRule(
        "agreeing_rows", "A user's rows agree on tier, arm, pipeline version and moment of scoring.", structural=True
    ),
)

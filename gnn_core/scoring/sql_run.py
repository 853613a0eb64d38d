"""One run of the SQL cascade: its tables, its parameters, the order of its files.

What belongs here: what sql/baseline needs to run. What does not: formulas and rules (the SQL files), the cascade as a
model (sql_baseline.py).
"""

from __future__ import annotations

import re

import numpy as np

from gnn_core.config import Settings
from gnn_core.config.tables import PLAIN, TableLayout
from gnn_core.errors import ConfigError, ContractError, LeakageError
from gnn_core.io.warehouse import Warehouse
from gnn_core.scoring.eligibility import commodity_pattern
from gnn_core.snapshot import Snapshot, micros
from gnn_core.stores.sql_files import query_file, run_file
from gnn_core.stores.week import WeekTables

VERSIONS = ("v5.17", "v5.18")
LIST_STEPS = ("purchases", "owners", "vehicle_scores", "shortlist", "candidates", "ranked")
"""Tables that only the run itself needs."""

_NEVER = r"[^\s\S]"
"""A pattern that no text matches."""
_DAY = np.timedelta64(1, "D")


class SqlRun:
    """One run of sql/baseline: its tables and parameters."""

    def __init__(
        self, warehouse: Warehouse, week: WeekTables, cutoff: np.datetime64, version: str, settings: Settings
    ) -> None:
        check_version(version)
        if micros(cutoff) > micros(np.datetime64(week.as_of)):
            raise LeakageError(
                f"SQL {version}: cutoff {cutoff} lies after {week.as_of}, the as-of date of the week's tables"
            )
        self._warehouse, self._cutoff = warehouse, cutoff
        contract = ("users", "vehicles", "ownership", "products", "fitment", "events")
        self.tables = {name: week.table(name) for name in contract}
        computed = ("eligible_products", "segment_scores", "intent", *LIST_STEPS, "lists")
        self.tables |= {name: week.scores(name, cutoff, version) for name in computed}
        self._layouts = settings.layouts
        self._parameters = baseline_parameters(cutoff, version, settings)

    def score_segments(self) -> None:
        """Eligibility and popularity."""
        self._warehouse.ensure_dataset(self.tables["segment_scores"].dataset)
        self.step("eligible_products")
        self.step("segment_scores", layout=self._layouts.segment_scores)

    def step(self, name: str, *, layout: TableLayout = PLAIN) -> None:
        """Write the table `name` from sql/baseline/<name>.sql."""
        run_file(self._warehouse, self.tables[name], f"baseline/{name}", self._parameters, self.tables, layout)

    def coverage(self) -> dict[str, int]:
        """Counts of users, by what became of them."""
        counted = query_file(self._warehouse, "baseline/coverage", self._parameters, self.tables)
        return {name: int(value) for name, value in counted.to_pylist()[0].items()}

    def check_same_store(self, train: Snapshot) -> None:
        """The warehouse and the snapshot must hold the same events before the cutoff, or the comparison is void."""
        counted = query_file(self._warehouse, "baseline/size", self._parameters, self.tables).to_pylist()[0]
        n_events = len(train.events.between(None, train.as_of))
        here = {"users": len(train.user_ids), "products": len(train.product_ids), "events": n_events}
        if counted != here:
            raise ContractError(
                f"{self.tables['events']} and the snapshot differ before {self._cutoff}: the warehouse has {counted}, "
                f"the snapshot {here}. Read the snapshot again from this week's tables."
            )

    def drop(self, *names: str) -> None:
        """Drop tables that only the run itself needs."""
        for name in names:
            self._warehouse.drop(self.tables[name])


def baseline_parameters(cutoff: np.datetime64, version: str, settings: Settings) -> dict[str, object]:
    """Values of every `@name` in sql/baseline, by name."""
    moment = cutoff.astype("datetime64[us]")
    weights, rules = settings.baseline, settings.scoring
    has_intent = version == "v5.17"
    return eligibility_parameters(settings) | {
        "cutoff": moment,
        "segment_min_orders": weights.segment_min_orders,
        "segment_min_product_orders": weights.segment_min_product_orders,
        "segment_weight": weights.segment_weight,
        "make_min_orders": weights.make_min_orders,
        "make_min_product_orders": weights.make_min_product_orders,
        "make_weight": weights.make_weight,
        "global_weight": weights.global_weight,
        "universal_top_n": weights.universal_top_n if has_intent else 0,
        "universal_candidates": rules.universal_candidates,
        "window_start": np.datetime64(settings.sources.event_stream_start, "us") if has_intent else moment,
        "order_weight": weights.intent_order_weight,
        "cart_weight": weights.intent_cart_weight,
        "view_weight": weights.intent_view_weight,
        "excluded_from": moment - rules.purchase_exclusion_days * _DAY,
        "min_products": settings.eligibility.min_products_per_vehicle,
        "require_consent": settings.eligibility.require_email_consent,
        "max_per_part_type": rules.max_per_part_type,
        "slots": rules.slots,
        "min_slots": rules.min_slots,
    }


def eligibility_parameters(settings: Settings) -> dict[str, object]:
    """Parameters of sql/baseline/eligible_products.sql."""
    rules = settings.eligibility
    prefixes = "|".join(re.escape(prefix.upper()) for prefix in rules.service_prefixes)
    return {
        "min_price": rules.min_price_usd,
        "unknown_min_price": rules.unknown_part_type_min_price_usd,
        "service_pattern": f"^(?:{prefixes})" if prefixes else _NEVER,
        "commodity_pattern": commodity_pattern(rules.commodity_words) if rules.commodity_words else _NEVER,
        # A parameter list cannot be empty; no part type is the empty text.
        "commodity_exceptions": [e.strip().lower() for e in rules.commodity_exceptions] or [""],
    }


def check_version(version: str) -> None:
    """Refuse a version that the cascade does not have."""
    if version not in VERSIONS:
        raise ConfigError(f"SQL version {version!r} is unknown; there are {', '.join(VERSIONS)}")

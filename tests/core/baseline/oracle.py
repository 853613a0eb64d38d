"""The cascade once more, slowly and differently: loops over users, vehicles and products, no SQL and no arrays.

It reads the same frames and settings as the SQL, and shares no code with it. Scores have six decimals.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping

import numpy as np
import pandas as pd

from gnn_core.config import Settings
from gnn_core.scoring.eligibility import eligible_products


class Oracle:
    """One store at one cutoff."""

    def __init__(
        self, tables: Mapping[str, pd.DataFrame], cutoff: np.datetime64, version: str, settings: Settings
    ) -> None:
        self.settings, self.version = settings, version
        products = tables["products"]
        judged = eligible_products(products, settings.eligibility)["eligible"]
        self.eligible = {p for p, good in zip(products["product_id"], judged, strict=True) if good}
        self.base = dict(zip(products["product_id"], products["base_product_id"], strict=True))
        self.part_type = dict(zip(products["product_id"], products["part_type"], strict=True))
        universal = {p for p, u in zip(products["product_id"], products["is_universal"], strict=True) if u}
        self.segment = dict(zip(tables["vehicles"]["vehicle_id"], tables["vehicles"]["segment_id"], strict=True))
        self.make = dict(zip(tables["vehicles"]["segment_id"], tables["vehicles"]["make"], strict=True))
        self.owns: dict[str, set[str]] = defaultdict(set)
        for row in tables["ownership"].itertuples():
            self.owns[row.user_id].add(row.vehicle_id)
        self.fits: dict[str, set[str]] = defaultdict(set)
        for row in tables["fitment"].itertuples():
            self.fits[row.vehicle_id].add(row.product_id)
        self.consent = dict(zip(tables["users"]["user_id"], tables["users"]["email_consent"], strict=True))
        self.cutoff = pd.Timestamp(cutoff, tz="UTC")
        self.past = [e for e in tables["events"].itertuples() if e.event_ts < self.cutoff]
        self.orders = {
            (e.user_id, e.order_id or str(e.event_ts.date()), e.product_id)
            for e in self.past
            if e.event_type == "order"
        }
        self.anywhere = Counter(product for _, _, product in self.orders)
        self.by_segment: dict[str, Counter] = defaultdict(Counter)
        self.by_make: dict[str, Counter] = defaultdict(Counter)
        for user, _, product in self.orders:
            segments = {self.segment[v] for v in self.owns[user]}
            for segment in segments:
                self.by_segment[segment][product] += 1
            for make in {self.make[s] for s in segments}:
                self.by_make[make][product] += 1
        self.universals = sorted(universal & self.eligible, key=lambda p: (-self.anywhere[p], p))

    def popularity(self, segment: str, product: str) -> float:
        b = self.settings.baseline
        mine, makes = self.by_segment[segment], self.by_make[self.make[segment]]
        if sum(mine.values()) >= b.segment_min_orders and mine[product] >= b.segment_min_product_orders:
            return round(math.log(1 + mine[product]) * b.segment_weight, 6)
        if sum(makes.values()) >= b.make_min_orders and makes[product] >= b.make_min_product_orders:
            return round(math.log(1 + makes[product]) * b.make_weight, 6)
        return round(math.log(1 + self.anywhere[product]) * b.global_weight, 6)

    def intent(self, user: str, product: str) -> float:
        if self.version == "v5.18":
            return 0.0
        b = self.settings.baseline
        start = pd.Timestamp(self.settings.sources.event_stream_start, tz="UTC")
        mine = [e for e in self.past if (e.user_id, e.product_id) == (user, product) and e.event_ts >= start]
        orders = {e.order_id or str(e.event_ts.date()) for e in mine if e.event_type == "order"}
        if orders:
            return math.log(1 + len(orders)) * b.intent_order_weight
        carts = [e for e in mine if e.event_type == "cart"]
        if carts:
            return math.log(1 + len(carts)) * b.intent_cart_weight
        return math.log(1 + len(mine)) * b.intent_view_weight if mine else 0.0

    def vehicles(self, user: str) -> set[str]:
        least = self.settings.eligibility.min_products_per_vehicle
        return {v for v in self.owns[user] if len(self.fits[v] & self.eligible) >= least}

    def score(self, user: str, product: str) -> float | None:
        """None where the cascade does not offer the product."""
        competing = self.universals[: self.settings.baseline.universal_top_n] if self.version == "v5.17" else []
        scores = [
            self.popularity(self.segment[v], product)
            for v in self.vehicles(user)
            if product in self.eligible and (product in self.fits[v] or product in competing)
        ]
        return round(max(scores) + self.intent(user, product), 6) if scores else None

    def list_of(self, user: str) -> list[tuple[str, float]]:
        """Products and scores of a complete list; empty when there is none."""
        rules = self.settings.scoring
        if self.settings.eligibility.require_email_consent and not self.consent[user]:
            return []
        since = self.cutoff - pd.Timedelta(days=rules.purchase_exclusion_days)
        bought = {
            self.base[e.product_id]
            for e in self.past
            if e.user_id == user and e.event_type == "order" and e.event_ts >= since
        }
        offered = set().union(*(self.fits[v] for v in self.vehicles(user)))
        if self.version == "v5.17":
            offered |= set(self.universals[: min(rules.universal_candidates, self.settings.baseline.universal_top_n)])
        scored = [(p, self.score(user, p)) for p in offered]
        ranked = sorted(((p, s) for p, s in scored if s is not None), key=lambda item: (-item[1], item[0]))
        chosen: list[tuple[str, float]] = []
        seen_bases, types = set(bought), Counter()
        for product, score in ranked:
            if self.base[product] in seen_bases:
                continue
            seen_bases.add(self.base[product])
            types[self.part_type[product]] += 1
            if types[self.part_type[product]] <= rules.max_per_part_type and len(chosen) < rules.slots:
                chosen.append((product, score))
        return chosen if len(chosen) >= rules.min_slots else []

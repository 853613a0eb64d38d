"""A store of ten users and its good lists, small enough to judge by eye; and one mutation a rule that spoils them.

Every user gets P10, P20, P30, P40 in that order for their first vehicle; u10 gets the first three.
"""

from __future__ import annotations

import datetime as dt
import functools
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from gnn_core.config import Settings, load_settings
from gnn_core.contracts import conform
from gnn_core.experiment.assignment import CONTROL, TREATMENT, arms_of
from gnn_core.io.warehouse import TableName, Warehouse
from gnn_core.publishing.schema import RECOMMENDATIONS
from gnn_core.stores.week import WeekTables
from tests.core.builders import make_tables

CONFIG = Path(__file__).parents[3] / "configs" / "gnn_config.yaml"
WEEK = WeekTables(dt.date(2026, 6, 1))
AT = dt.datetime(2026, 6, 1, 6, tzinfo=dt.UTC)
LIMITS = {
    "warehouse": {"threads": 1},
    "publish": {"min_users": 6, "min_coverage": 0.8, "max_row_change": 0.31, "keep_versions": 2},
}

OLD, NEW, CAMARO = "1967|ford|mustang", "2018|ford|mustang", "1969|chevrolet|camaro"
USERS = [f"u{n:02d}" for n in range(1, 11)]
OWNS = {user: [CAMARO] for user in USERS} | {"u01": [OLD], "u02": [NEW, CAMARO], "u04": [OLD], "u07": [NEW]}
TYPES = {
    "P10": "Carburetor",
    "P20": "Intake Manifold",
    "P30": "Header",
    "P40": "Shock Absorber",
    "P50": "Carburetor",
    "P60": "Carburetor",
    "P70": "Radiator",
    "P70R": "Radiator",
    "USED": "Seat",
    "CHEAP": "Emblem",
}
PRICES = {"P10": 410.0, "P20": 250.5, "P30": 199.99, "P40": 50.57, "CHEAP": 20.0}
EVENTS = [
    ("u03", "P70R", "order", "2026-05-01", "o1"),
    ("u04", "P40", "order", "2024-05-01", "o2"),
    ("u05", "P30", "order", "2025-05-31T23:59:59", "o3"),  # a second too old to count
    ("u06", "P20", "cart", "2026-05-30"),
    ("u08", "P50", "order", "2025-06-01", "o4"),  # 365 days before the as-of date: still counts
]
Row = dict[str, Any]


def make_settings(**sections: Mapping[str, object]) -> Settings:
    """The shipped configuration with limits for ten users; sections lay over it."""
    return _load(json.dumps(sections, sort_keys=True))


@functools.cache
def _load(sections: str) -> Settings:
    return load_settings(CONFIG, [LIMITS, json.loads(sections)])


def contract_tables() -> dict[str, pd.DataFrame]:
    """Contract frames of the store."""
    everywhere = [OLD, NEW, CAMARO]
    products: dict[str, Row] = {p: {"part_type": t, "price": PRICES.get(p, 100.0)} for p, t in TYPES.items()}
    products["P70R"]["base_product_id"] = "P70"
    products["USED"]["is_refurbished"] = True
    products["P18"] = {"part_type": "Spoiler"}
    products["UNI"] = {"part_type": "Car Cover"}
    fits = dict.fromkeys(TYPES, everywhere) | {"P18": [NEW]}
    return make_tables(owns=OWNS, fits=fits, events=EVENTS, products=products, no_consent=["u06"])


PRODUCTS = contract_tables()["products"].set_index("product_id")


def product_values(product_id: str) -> Row:
    """What a row says about a product, as the catalogue has it."""
    product = PRODUCTS.loc[product_id]
    return {
        "product_id": product_id,
        "price": float(product["price"]),
        "part_type": product["part_type"],
        "image_url": product["image_url"],
    }


def good_rows(run_id: str = "r1", users: list[str] | None = None) -> list[Row]:
    """Lists that keep every rule; 39 rows."""
    return [
        {
            "run_id": run_id,
            "user_id": user,
            "vehicle_id": OWNS[user][0],
            "slot": slot,
            "final_score": 1.0 - slot / 10,
            "sql_score": 5.0 - slot,
            "gnn_score": None if user == "u09" else 0.5,
            "source": "sql_v5.18" if user == "u09" else "hybrid",
            "reason": "popular for your vehicle",
            "reason_path": "fits",
            "reason_event": None,
            "reason_product_id": None,
            "fitment_proof": "fitment",
            "engagement_tier": "cold",
            "pipeline_version": "v6.0",
            "scored_at": AT,
            **product_values(product),
        }
        for user in users or USERS
        for slot, product in enumerate(["P10", "P20", "P30", "P40"], start=1)
        if (user, slot) != ("u10", 4)
    ]


def as_table(rows: list[Row]) -> pa.Table:
    """Rows under the declared schema; None is null and NaN stays NaN."""
    return pa.Table.from_pylist(rows, schema=RECOMMENDATIONS)


def fill(warehouse: Warehouse) -> Warehouse:
    """Write the week's contract tables."""
    for dataset in ("work", "serving"):
        warehouse.ensure_dataset(dataset)
    for name, frame in contract_tables().items():
        if name in ("users", "vehicles", "products", "ownership", "fitment", "events"):
            rows = pa.Table.from_pandas(frame, preserve_index=False)
            warehouse.load(WEEK.table(name), conform(name, rows))
    return warehouse


def load_directly(warehouse: Warehouse, name: str, rows: list[Row] | pa.Table) -> TableName:
    """A staging table that no check has seen."""
    table = TableName("work", name)
    warehouse.load(table, rows if isinstance(rows, pa.Table) else as_table(rows))
    return table


def change(user: str, slot: int, /, **values: object) -> Callable[[list[Row]], list[Row]]:
    """Other values in one row."""
    return lambda rows: [r | values if (r["user_id"], r["slot"]) == (user, slot) else r for r in rows]


def offer(user: str, **products: str) -> Callable[[list[Row]], list[Row]]:
    """Other products in a user's slots, each with its true values: `s4="P50"`."""
    values = {int(key[1:]): product_values(product) for key, product in products.items()}
    return lambda rows: [r | values[r["slot"]] if r["user_id"] == user and r["slot"] in values else r for r in rows]


def keep(condition: Callable[[Row], bool]) -> Callable[[list[Row]], list[Row]]:
    """Only some of the rows."""
    return lambda rows: [r for r in rows if condition(r)]


def add(**values: object) -> Callable[[list[Row]], list[Row]]:
    """One row more: u01's first, with other values."""
    return lambda rows: [*rows, rows[0] | values]


def both(*steps: Callable[[list[Row]], list[Row]]) -> Callable[[list[Row]], list[Row]]:
    """One change after the other."""

    def apply(rows: list[Row]) -> list[Row]:
        for step in steps:
            rows = step(rows)
        return rows

    return apply


RUNNING: Mapping[str, Mapping[str, object]] = {"experiment": {"start": "2026-06-01"}}
"""An experiment that starts at the week's as-of date."""


def in_arms(rows: list[Row], **experiment: object) -> list[Row]:
    """The rows as a running experiment serves them: the promoted policy for the treatment, SQL for everyone else."""
    chosen = make_settings(experiment={**RUNNING["experiment"], **experiment}).experiment
    users = sorted({row["user_id"] for row in rows})
    arm = dict(zip(users, arms_of(users, chosen)[0], strict=True))
    return [
        row | {"arm": arm[row["user_id"]], "source": "hybrid" if arm[row["user_id"]] == TREATMENT else "sql_v5.18"}
        for row in rows
    ]


def in_arm(arm: str) -> str:
    """The first user of an arm."""
    return next(row["user_id"] for row in in_arms(good_rows()) if row["arm"] == arm)


def say(user: str, **values: object) -> Callable[[list[Row]], list[Row]]:
    """Other values in all rows of a user."""
    return lambda rows: [r | values if r["user_id"] == user else r for r in rows]


@dataclass(frozen=True)
class Mutation:
    """One way to spoil good lists. Exactly `rule` and what must break with it (`also`) may fail."""

    name: str
    rule: str
    spoil: Callable[[list[Row]], list[Row]]
    also: tuple[str, ...] = ()
    settings: Mapping[str, Mapping[str, object]] = field(default_factory=dict)

    @property
    def failing(self) -> set[str]:
        """The rules that fail."""
        return {self.rule, *self.also}


_UNIVERSAL = {"scoring": {"universal_candidates": 5}}
_BIG = 10**9
_OTHER = {CONTROL: TREATMENT, TREATMENT: CONTROL}
MUTATIONS = (
    Mutation("no rows", "not_empty", keep(lambda r: False), ("single_run", "min_users", "coverage", "row_change")),
    Mutation("row of another run", "single_run", change("u01", 1, run_id="r0")),
    Mutation("null reason", "required_values", change("u01", 1, reason=None)),
    Mutation("empty reason", "required_values", change("u01", 1, reason="")),
    Mutation("null score", "required_values", change("u01", 4, final_score=None), ("finite_scores",)),
    Mutation("repeated user slot", "unique_slots", add(slot=4, final_score=0.6, **product_values("P50"))),
    Mutation("gap in the slots", "contiguous_slots", keep(lambda r: (r["user_id"], r["slot"]) != ("u02", 2))),
    Mutation("two slots only", "contiguous_slots", keep(lambda r: r["user_id"] != "u02" or r["slot"] <= 2)),
    Mutation("fifth slot", "contiguous_slots", add(slot=5, final_score=0.1, **product_values("P50"))),
    Mutation("slots from 0", "contiguous_slots", lambda rows: [r | {"slot": r["slot"] - 1} for r in rows]),
    Mutation("duplicate product", "unique_products", offer("u01", s4="P10")),
    Mutation("two colours of one part", "unique_variants", offer("u01", s3="P70", s4="P70R")),
    Mutation("price under the floor", "price_floor", change("u01", 4, price=49.99), ("catalogue_price",)),
    Mutation("cheap product", "price_floor", offer("u01", s4="CHEAP"), ("eligible_products",)),
    Mutation("NaN price", "price_floor", change("u01", 4, price=float("nan")), ("catalogue_price",)),
    Mutation("last week's price", "catalogue_price", change("u01", 1, price=409.0)),
    Mutation("invented part type", "catalogue_labels", change("u01", 1, part_type="Bumper")),
    Mutation("other product's image", "catalogue_labels", change("u01", 1, image_url="https://cdn.example/P20.jpg")),
    Mutation("other user's vehicle", "owned_vehicle", change("u01", 1, vehicle_id=CAMARO)),
    Mutation(
        "vehicle with too few parts",
        "served_vehicle",
        lambda rows: rows,
        settings={"eligibility": {"min_products_per_vehicle": 9}},
    ),
    Mutation("wrong year", "fitment", offer("u01", s4="P18")),
    Mutation(
        "universal, not allowed", "fitment", both(offer("u01", s4="UNI"), change("u01", 4, fitment_proof="universal"))
    ),
    Mutation("fitting, called universal", "truthful_proof", change("u01", 1, fitment_proof="universal")),
    Mutation("universal, called fitting", "truthful_proof", offer("u01", s4="UNI"), settings=_UNIVERSAL),
    Mutation(
        "wrong year, called universal",
        "fitment",
        both(offer("u01", s4="P18"), change("u01", 4, fitment_proof="universal")),
        ("truthful_proof",),
        _UNIVERSAL,
    ),
    Mutation("three of a part type", "part_type_cap", offer("u01", s2="P50", s3="P60")),
    Mutation(
        "three of a part type, disguised",
        "part_type_cap",
        both(offer("u01", s2="P50", s3="P60"), change("u01", 3, part_type="Header")),
        ("catalogue_labels",),
    ),
    Mutation("rising scores", "falling_scores", change("u01", 4, final_score=0.95)),
    Mutation("NaN score", "finite_scores", change("u01", 4, final_score=float("nan"))),
    Mutation("infinite score", "finite_scores", change("u01", 1, final_score=float("inf"))),
    Mutation("NaN part score", "finite_scores", change("u01", 1, gnn_score=float("nan"))),
    Mutation("other colour bought last month", "no_recent_purchase", offer("u03", s4="P70")),
    Mutation("bought 365 days ago", "no_recent_purchase", offer("u08", s4="P50")),
    Mutation(
        "http image", "https_images", change("u01", 1, image_url="http://cdn.example/P10.jpg"), ("catalogue_labels",)
    ),
    Mutation("refurbished", "eligible_products", offer("u01", s4="USED")),
    Mutation(
        "invented product",
        "eligible_products",
        change("u01", 1, product_id="GHOST"),
        ("catalogue_price", "catalogue_labels", "fitment"),
    ),
    Mutation(
        "unknown user",
        "known_users",
        lambda rows: [*rows, *(r | {"user_id": "stranger"} for r in rows[:4])],
        ("owned_vehicle",),
    ),
    Mutation(
        "no consent", "email_consent", lambda rows: rows, settings={"eligibility": {"require_email_consent": True}}
    ),
    Mutation("unknown source", "known_sources", change("u01", 1, source="sql_v4")),
    Mutation("unknown tier", "known_tiers", lambda rows: [r | {"engagement_tier": "lukewarm"} for r in rows]),
    Mutation("invented path", "true_reasons", change("u01", 1, reason_path="because")),
    Mutation("event that never was", "true_reasons", change("u01", 1, reason_path="own", reason_event="view")),
    Mutation("a cart called an order", "true_reasons", change("u06", 2, reason_path="own", reason_event="order")),
    Mutation("event without its path", "true_reasons", change("u06", 2, reason_event="cart")),
    Mutation("path without its event", "true_reasons", change("u06", 2, reason_path="own")),
    Mutation(
        "never bought together",
        "true_reasons",
        change("u03", 1, reason_path="bought_together", reason_event="order", reason_product_id="P70R"),
    ),
    Mutation(
        "nobody has both",
        "true_reasons",
        change("u03", 1, reason_path="taken_together", reason_event="order", reason_product_id="P70R"),
    ),
    Mutation("one owner only", "true_reasons", change("u01", 4, reason_path="owners")),
    Mutation("owners of nothing else", "true_reasons", change("u01", 4, reason_path="other_owners")),
    Mutation("null path", "required_values", change("u01", 1, reason_path=None), ("true_reasons",)),
    Mutation("arm that no experiment has", "known_arms", say("u01", arm="nonsense")),
    Mutation("arm without an experiment", "assigned_arms", say("u01", arm=TREATMENT)),
    Mutation("no arm in an experiment", "assigned_arms", both(in_arms, say("u01", arm=None)), settings=RUNNING),
    Mutation(
        "arms swapped",
        "assigned_arms",
        both(in_arms, lambda rows: [r | {"arm": _OTHER[r["arm"]]} for r in rows]),
        settings=RUNNING,
    ),
    Mutation(
        "control served the policy",
        "assigned_arms",
        both(in_arms, say(in_arm(CONTROL), source="hybrid")),
        settings=RUNNING,
    ),
    Mutation("arm in some rows only", "agreeing_rows", change("u01", 1, arm="holdout"), ("assigned_arms",)),
    Mutation("two tiers for one user", "agreeing_rows", change("u01", 1, engagement_tier="warm")),
    Mutation("too few users", "min_users", lambda rows: rows, settings={"publish": {"min_users": _BIG}}),
    Mutation("shrunken user base", "coverage", keep(lambda r: r["user_id"] < "u08")),
    Mutation(
        "row count falls", "row_change", keep(lambda r: r["slot"] < 4), settings={"publish": {"max_row_change": 0.1}}
    ),
    Mutation(
        "one product for nearly everyone",
        "product_share",
        lambda rows: [r | {"source": "hybrid"} for r in rows],
        settings={"publish": {"max_product_share": 0.9, "product_share_users": 10}},
    ),
    Mutation(
        "row count jumps",
        "row_change",
        lambda rows: [*rows, *(r | {"user_id": f"x{n}"} for n in range(50) for r in rows[:4])],
        ("known_users", "owned_vehicle"),
    ),
)

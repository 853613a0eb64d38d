"""The source tables have the shapes that retailers have, and everything that is wrong with them."""

import datetime as dt
import re
from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from gnn_core.simulate import SOURCES
from gnn_core.simulate.products import IMAGE_NONE
from gnn_core.simulate.sizes import STORE_END

PROPERTY = pa.struct(
    [
        ("property_name", pa.string()),
        ("string_value", pa.string()),
        ("long_value", pa.int64()),
        ("double_value", pa.float64()),
    ]
)
WHEN = pa.timestamp("us", tz="UTC")
SHAPES = {
    "user_attributes": {
        "user_id": pa.string(), "update_timestamp": WHEN, "user_properties": pa.list_(PROPERTY),
    },
    "events": {
        "user_id": pa.string(), "event_name": pa.string(), "client_event_timestamp": WHEN,
        "event_properties": pa.list_(PROPERTY),
    },
    "orders": {"ITEM": pa.string(), "SHIP_TO_EMAIL": pa.string(), "ORDER_DATE": pa.string()},
    "fitment": {
        "v1_year": pa.string(), "v1_make": pa.string(), "v1_model": pa.string(),
        "products": pa.list_(pa.struct([("product_number", pa.string())])),
    },
    "catalogue": {"PartNumber": pa.string(), "PartType": pa.string(), "Tags": pa.string()},
    "sends": {
        "treatment_tracking_id": pa.string(), "user_id": pa.string(), "arm_id": pa.string(),
        "treatment_sent_timestamp": WHEN,
    },
    "engagements": {
        "treatment_tracking_id": pa.string(), "interaction_type": pa.string(), "interaction_timestamp": WHEN,
    },
}  # fmt: skip


@pytest.mark.parametrize("name", SOURCES)
def test_source_table_has_its_documented_shape(tiny, name):
    table = tiny.tables[name]
    assert {field.name: field.type for field in table.schema} == SHAPES[name]
    assert table.num_rows > 100
    table.validate(full=True)


def texts(table: pa.Table, column: str) -> list[str]:
    return table[column].to_pylist()


def latest_properties(table: pa.Table) -> dict[str, dict[str, object]]:
    """What staging should come to: the newest row that names a property decides, for each user."""
    seen: dict[str, dict[str, tuple]] = {}
    for row in table.to_pylist():
        mine = seen.setdefault(row["user_id"], {})
        for p in row["user_properties"]:
            value = p["string_value"] if p["string_value"] is not None else p["long_value"]
            if p["property_name"] not in mine or mine[p["property_name"]][0] < row["update_timestamp"]:
                mine[p["property_name"]] = (row["update_timestamp"], str(value).strip().lower())
    return {user: {name: value for name, (_, value) in mine.items()} for user, mine in seen.items()}


def test_latest_attributes_are_the_true_vehicles(tiny):
    garage, people = tiny.truth.shop.garage, tiny.truth.shop.people
    found = latest_properties(tiny.tables["user_attributes"])
    assert len(found) > len(tiny.truth.user_ids)
    for user, vehicles, consent in zip(tiny.truth.user_ids, people.vehicles_U3, people.consent_U, strict=True):
        mine = found.pop(user)
        for slot, vehicle in enumerate(vehicles, start=1):
            if vehicle >= 0:
                parts = [mine[f"v{slot}_{part}"] for part in ("year", "make", "model")]
                assert "|".join(parts) == garage.vehicle_ids[vehicle]
        assert mine["email_consent"] in (("true", "1") if consent else ("false", "0"))
    # What is left are the users that must be dropped: never a usable year.
    assert {mine.get("v1_year", "missing") for mine in found.values()} == {"none", "0", "missing"}


def test_attribute_values_have_their_warts(tiny):
    table = tiny.tables["user_attributes"]
    values = pc.list_flatten(table["user_properties"])
    in_long = pc.sum(pc.is_valid(pc.struct_field(values, "long_value"))).as_py()
    assert 0.17 <= in_long / len(values) <= 0.18
    assert in_long / len(values) == pytest.approx(tiny.long_value_share)
    rows_of_user = Counter(texts(table, "user_id"))
    assert 0.15 < np.mean([n > 1 for n in rows_of_user.values()]) < 0.3
    makes = {
        p["string_value"] for row in texts(table, "user_properties") for p in row if p["property_name"] == "v1_make"
    }
    assert {"Ford", "ford", " Ford  "} <= makes


def named(events: pa.Table, name: str) -> list[dict]:
    return [row for row in events.to_pylist() if row["event_name"].lower() == name]


def test_event_names_and_skus_vary_in_writing(tiny):
    events = tiny.tables["events"]
    names = Counter(texts(events, "event_name"))
    assert {"Viewed Product", "viewed product", "VIEWED PRODUCT"} <= set(names)
    known = {"viewed product", "cart update", "placed order", "ordered product", "consumer website order"}
    assert known < {name.lower() for name in names}
    properties = {p["property_name"] for row in texts(events, "event_properties") for p in row}
    assert {
        "ProductId",
        "ProductID",
        "OrderId",
        "OrderID",
        "Items_0.ProductId",
        "Items_1.ItemPrice",
        "SKUs_0",
    } <= properties
    skus = [p["string_value"] for row in named(events, "viewed product") for p in row["event_properties"]
            if p["property_name"].lower() == "productid"]  # fmt: skip
    assert any(s != s.strip() for s in skus)
    assert any(s != s.upper() for s in skus)
    unknown = {s.strip().upper() for s in skus} - set(tiny.truth.product_ids)
    assert unknown == {"UNLISTED-1", "UNLISTED-2"}


def test_exact_duplicates_occur(tiny):
    rows = Counter(str(row) for row in tiny.tables["events"].to_pylist())
    assert 0.003 < np.mean([n > 1 for n in rows.values()]) < 0.02


def test_several_events_report_one_order(tiny):
    reports: dict[str, set[str]] = {}
    moments: dict[str, list[dt.datetime]] = {}
    places = Counter()
    for name in ("placed order", "ordered product", "consumer website order"):
        for row in named(tiny.tables["events"], name):
            numbers = [p for p in row["event_properties"] if p["property_name"].lower() == "orderid"]
            assert len(numbers) == 1
            places["text" if numbers[0]["string_value"] else "long"] += 1
            number = numbers[0]["string_value"] or str(numbers[0]["long_value"])
            reports.setdefault(number, set()).add(name)
            moments.setdefault(number, []).append(row["client_event_timestamp"])
    ways = Counter(frozenset(names) for names in reports.values())
    assert len(ways) >= 4
    assert ways[frozenset(["placed order", "ordered product"])] > 5
    assert min(places["text"], places["long"]) > 20
    everybody = np.concatenate([tiny.truth.ledger.order_E, tiny.truth.visitors.order_E])
    assert len(reports) == len(np.unique(everybody[everybody >= 0]))
    spans = [max(times) - min(times) for times in moments.values()]
    assert dt.timedelta(seconds=1) < max(spans) < dt.timedelta(minutes=2)


def test_prices_and_images_come_in_every_form(tiny):
    views = named(tiny.tables["events"], "viewed product")
    prices = [p for row in views for p in row["event_properties"] if p["property_name"] == "Price"]
    for place in ("string_value", "long_value", "double_value"):
        assert any(p[place] is not None for p in prices), place
    amounts = [float(p["double_value"] or p["string_value"] or p["long_value"]) for p in prices]
    assert 0.03 < np.mean(np.array(amounts) < 50) < 0.3
    images = [p["string_value"] for row in views for p in row["event_properties"] if p["property_name"] == "ImageURL"]
    for scheme in ("https://", "http://", "//cdn"):
        assert any(image.startswith(scheme) for image in images), scheme
    assert len(images) < len(views)


def test_catalogue_has_what_may_not_be_recommended(tiny):
    rows = tiny.tables["catalogue"].to_pylist()
    numbers = [row["PartNumber"].strip().upper() for row in rows]
    assert len(set(numbers)) < len(numbers)
    assert len({row["PartNumber"] for row in rows}) == len(rows), "only UPPER and TRIM reveal a repeat"
    assert set(numbers) == set(tiny.truth.product_ids)
    assert any(row["PartNumber"] != row["PartNumber"].strip().upper() for row in rows)
    for prefix in ("EXT-", "GIFT-", "WARRANTY-", "SERVICE-", "PREAUTH-"):
        assert any(n.startswith(prefix) for n in numbers), prefix
    tags = {row["Tags"] for row in rows if "refurbished" in row["Tags"].lower()}
    assert len(tags) > 1
    types = {row["PartType"] for row in rows}
    assert "UNKNOWN" in types
    assert any("Gasket" in t for t in types)
    colours = [n for n in numbers if re.search(r"\d[BRGP]$", n)]
    assert colours
    assert {n[:-1] for n in colours} <= set(numbers)


def test_excepted_commodity_types_are_sold(small):
    types = set(texts(small.tables["catalogue"], "PartType"))
    assert {
        "Engine Cylinder Head Bolt", "Engine Bolt Kit", "Distributor Cap", "Wheel Hub Cap", "Wheel Cap Set",
    } <= types  # fmt: skip
    truth = small.truth.shop.catalogue
    eligible_types = {truth.part_types[t] for t in truth.type_P[truth.eligible_P]}
    assert "Engine Bolt Kit" in eligible_types
    assert "Distributor Cap" in eligible_types
    assert (
        not {"Lug Bolt", "Radiator Cap", "Pinion Washer", "Ignition Key", "Exhaust Clamp", "Stripe Decal"}
        & eligible_types
    )


def test_what_is_eligible_keeps_every_rule(small):
    truth = small.truth.shop.catalogue
    eligible = truth.eligible_P
    assert 0.7 < eligible.mean() < 0.9
    for barred in (
        truth.refurbished_P,
        truth.service_P,
        truth.price_P < 50,
        ~truth.seen_P,
        truth.image_P == IMAGE_NONE,
    ):
        assert barred.any()
        assert not eligible[barred].any()
    unknown = truth.part_types[truth.type_P] == "UNKNOWN"
    assert (truth.price_P[unknown & eligible] >= 3000).all()
    assert (unknown & eligible).any()
    assert truth.price_P[eligible].min() < 65


def test_fitment_says_what_is_true_after_cleaning(tiny):
    rows = tiny.tables["fitment"].to_pylist()
    pairs: list[tuple[str, str]] = []
    for row in rows:
        vehicle = "|".join(row[c].strip().lower() for c in ("v1_year", "v1_make", "v1_model"))
        pairs += [(vehicle, item["product_number"].strip().upper()) for item in row["products"]]
    assert {row["v1_year"] for row in rows} >= {"NONE", "0"}
    assert len(pairs) > len(set(pairs))
    assert any(p == "DISCONTINUED-0" for _, p in pairs)
    fits = tiny.truth.shop.catalogue.fits_VP.tocoo()
    true = {(tiny.truth.vehicle_ids[v], tiny.truth.product_ids[p]) for v, p in zip(fits.row, fits.col, strict=True)}
    known = set(tiny.truth.vehicle_ids)
    assert {(v, p) for v, p in pairs if v in known and p != "DISCONTINUED-0"} == true


def test_order_history_is_text(tiny):
    rows = tiny.tables["orders"].to_pylist()
    pattern = re.compile(r"(Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day, [A-Z][a-z]+ \d{1,2}, 20\d\d")
    unreadable = [row["ORDER_DATE"] for row in rows if not pattern.fullmatch(row["ORDER_DATE"])]
    assert 0 < len(unreadable) < 0.02 * len(rows)
    dates = [
        dt.datetime.strptime(row["ORDER_DATE"], "%A, %B %d, %Y").replace(tzinfo=dt.UTC).date()
        for row in rows
        if pattern.fullmatch(row["ORDER_DATE"])
    ]
    assert min(dates) >= dt.date(2024, 1, 1)
    overlap = [d for d in dates if d >= dt.date(2025, 9, 1)]
    assert 0 < len(overlap) < 0.1 * len(dates)
    addresses = {row["SHIP_TO_EMAIL"] for row in rows}
    assert any(a != a.strip().lower() for a in addresses)
    known = {p["string_value"].lower() for row in texts(tiny.tables["user_attributes"], "user_properties")
             for p in row if p["property_name"] == "email"}  # fmt: skip
    matched = [a.strip().lower() in known for a in addresses]
    assert 0 < np.mean(matched) < 0.5


def test_engagements_are_late_repeated_and_partly_unknown(small):
    sends, engagements = small.tables["sends"], small.tables["engagements"]
    known = set(texts(sends, "treatment_tracking_id"))
    assert len(known) == sends.num_rows
    assert not set(texts(sends, "user_id")) <= set(small.truth.user_ids)
    pairs = Counter(
        zip(texts(engagements, "treatment_tracking_id"), texts(engagements, "interaction_type"), strict=True)
    )
    assert 0.1 < np.mean([n > 1 for n in pairs.values()]) < 0.4
    assert {kind for _, kind in pairs} == {"VIEWED", "CLICKED"}
    assert {t for t, _ in pairs} - known == {"t-unknown-1", "t-unknown-2"}
    last_event = pc.max(small.tables["events"]["client_event_timestamp"]).as_py()
    last_engagement = pc.max(engagements["interaction_timestamp"]).as_py()
    assert last_event - last_engagement > dt.timedelta(hours=20)


def test_every_mailed_visit_follows_a_click_within_a_day(small):
    """The rule by which an event counts as e-mail, applied to the raw tables."""
    owner = dict(
        zip(texts(small.tables["sends"], "treatment_tracking_id"), texts(small.tables["sends"], "user_id"), strict=True)
    )
    clicks: dict[str, list[float]] = {}
    for row in small.tables["engagements"].to_pylist():
        if row["interaction_type"] == "CLICKED" and row["treatment_tracking_id"] in owner:
            moment = row["interaction_timestamp"].timestamp() * 1e6
            clicks.setdefault(owner[row["treatment_tracking_id"]], []).append(moment)
    ledger = small.truth.ledger
    late_engagements = dt.datetime(2026, 3, 4, tzinfo=dt.UTC).timestamp() * 1e6
    mailed = ledger.take(ledger.mail_E & (ledger.ts_E < late_engagements))
    assert len(mailed) > 300
    for user, ts in zip(small.truth.user_ids[mailed.person_E], mailed.ts_E, strict=True):
        assert any(0 <= ts - click <= 86_400e6 for click in clicks[user])


def test_data_run_on_past_the_newest_complete_week(tiny):
    end = dt.datetime.combine(STORE_END, dt.time(), tzinfo=dt.UTC)
    assert STORE_END.weekday() == 0
    stamps = tiny.tables["events"]["client_event_timestamp"]
    assert end + dt.timedelta(days=2) < pc.max(stamps).as_py() < end + dt.timedelta(days=7)
    assert pc.min(stamps).as_py() >= dt.datetime(2025, 8, 31, 23, tzinfo=dt.UTC)

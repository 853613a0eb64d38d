"""The cold protocol on a catalogue of 1,200 items whose vehicles, makes and owners are known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from gnn_core.contracts import CONTRACTS, violations
from gnn_core.errors import ConfigError, ContractError, DataError
from gnn_core.graph.split import build_timeline
from gnn_core.snapshot import build_snapshot
from gnn_core.stores.public import load_store

KNOWN, COLD = 1e-12, 1 - 1e-12
"""Cold shares at which every owner is known, or cold."""
ATTRIBUTES = {
    7: range(1, 51),  # 50 products: just a vehicle; its make is 10
    8: range(51, 100),  # 49: just none
    9: range(100, 600),  # 500: still a vehicle; 402 of its products have 10, and 98 have 12: make 10
    10: range(1, 502),  # 501: just a make
    11: range(1, 601),  # half of the catalogue: no make, or it would be everyone's
    12: range(502, 1101),  # a make
    14: range(1, 6),  # 5 products: just a part type
    15: range(1, 5),  # 4: just none
    16: range(1101, 1151),  # a vehicle without a make
    17: range(1, 61),  # a second vehicle of items 1 to 50
    99: range(1, 1201),  # everything
}
SEQUENCES = {
    1: [1, 2, 60, 3],  # owns 7 and 17
    2: [100, 101],  # owns 9
    3: [51, 1, 2],  # owns 17
    4: [1150],  # owns 16, bought nothing more
    5: [70, 1],  # item 70 is no vehicle's: no owner
    6: [1101, 900, 1101, 900],  # owns 16; repetitions are out
}


@pytest.fixture
def store_of(write, tmp_path):
    """Load the store of some sequences and attributes."""

    def load(sequences=SEQUENCES, attributes=ATTRIBUTES, **options):
        rows = [(u, i, pos) for u, items in sequences.items() for pos, i in enumerate(items)]
        write("toys_sequences", dict(zip(("user_id", "item_id", "pos"), zip(*rows, strict=True), strict=True)))
        pairs = [(i, a) for a, items in attributes.items() for i in items]
        write("toys_item_attributes", dict(zip(("item_id", "attr_id"), zip(*pairs, strict=True), strict=True)))
        return load_store("toys", tmp_path, **options)

    return load


def frames_of(store):
    """Frames of a store, and the item number of each product id."""
    frames = {name: table.to_pandas() for name, table in store.tables.items()}
    products = frames["products"]
    return frames, dict(
        zip(products["product_id"], products["name"].str.removeprefix("Item ").astype(int), strict=True)
    )


def test_attributes_of_50_to_500_products_are_vehicles_named_by_the_make_that_covers_most(store_of):
    frames, _ = frames_of(store_of())
    assert set(frames["vehicles"]["segment_id"]) == {"m10|a7", "m10|a9", "other|a16", "m10|a17"}


def test_owners_are_the_users_whose_first_item_has_a_vehicle(store_of):
    frames, _ = frames_of(store_of())
    assert list(frames["users"]["user_id"]) == ["U1", "U2", "U3", "U4", "U6"]
    owned = frames["ownership"].merge(frames["vehicles"], on="vehicle_id").groupby("user_id")["model"].agg(set)
    assert owned.to_dict() == {"U1": {"a7", "a17"}, "U2": {"a9"}, "U3": {"a17"}, "U4": {"a16"}, "U6": {"a16"}}


def test_everything_that_fits_an_owned_vehicle_is_a_candidate_but_the_first_item(store_of):
    frames, item = frames_of(store_of())
    snapshot = build_snapshot(frames, np.datetime64("2024-07-01"))
    candidates_UP = (snapshot.owns_UV @ snapshot.fits_VP).toarray() > 0
    items = np.array([item[p] for p in snapshot.product_ids])
    got = {u: set(items[row]) for u, row in zip(snapshot.user_ids, candidates_UP, strict=True)}
    assert got == {
        "U1": set(range(2, 61)),
        "U2": set(range(101, 600)),
        "U3": set(range(1, 61)) - {51},
        "U4": set(range(1101, 1150)),
        "U6": set(range(1102, 1151)),
    }


def test_segments_keep_every_product_of_their_attribute(store_of):
    frames, item = frames_of(store_of())
    snapshot = build_snapshot(frames, np.datetime64("2024-07-01"))
    items = np.array([item[p] for p in snapshot.product_ids])
    fits_SP = snapshot.fits_SP.toarray() > 0
    got = {s: set(items[row]) for s, row in zip(snapshot.segment_ids, fits_SP, strict=True)}
    assert got == {f"{m}|a{a}": set(ATTRIBUTES[a]) for m, a in (("m10", 7), ("m10", 9), ("other", 16), ("m10", 17))}


def test_products_carry_stand_ins_and_the_rarest_attribute_of_five_products(store_of):
    frames, item = frames_of(store_of())
    products = frames["products"].set_index(frames["products"]["product_id"].map(item))
    assert len(products) == 1200
    assert products.loc[[5, 6, 55, 1151], "part_type"].to_list() == [
        "Attribute 14",
        "Attribute 7",
        "Attribute 8",
        "Attribute 99",
    ]
    assert (products["price"] == 100).all()
    assert products["image_url"].str.startswith("https://").all()
    assert products.index[~products["is_universal"]].sort_values().to_list() == [
        *range(1, 61),
        *range(100, 600),
        *range(1101, 1151),
    ]


def test_known_owners_orders_are_spread_in_order_over_the_year_before_validation(store_of):
    frames, item = frames_of(store_of(cold_share=KNOWN))
    events = frames["events"].assign(item=frames["events"]["product_id"].map(item))
    first = events[events["user_id"] == "U1"].sort_values("event_ts")
    assert first["item"].to_list() == [2, 60, 3]
    assert first["event_ts"].dt.strftime("%Y-%m-%d %H:%M").to_list() == [
        "2023-07-02 20:00",  # 1/6 of 365 days after 2023-05-03
        "2023-11-01 12:00",  # 1/2
        "2024-03-02 04:00",  # 5/6
    ]
    assert first["order_id"].to_list() == ["U1-1", "U1-2", "U1-3"]
    assert sorted(events.loc[events["user_id"] != "U1", "item"]) == [1, 2, 101, 900]
    assert set(events["event_type"]) == {"order"}


def test_a_cold_owners_orders_all_lie_in_one_held_out_window(store_of, settings_of):
    store = store_of({u: [1 + u % 50, 60, 3] for u in range(1, 1001)}, cold_share=COLD)
    settings = settings_of(store)
    timeline = build_timeline(np.datetime64(settings.store.last_week) + 7, settings.split)
    (validation,), (test,) = timeline.validation, timeline.test
    assert [str(c.start)[:10] for c in timeline.cuts] == ["2024-05-02", "2024-06-01"]
    assert test.fitted_before == validation.start
    assert timeline.as_of == np.datetime64("2024-07-01")
    ts = store.tables["events"].to_pandas().groupby("user_id")["event_ts"].agg(["min", "max"])
    ts = ts.apply(lambda column: column.dt.tz_localize(None))
    validates = (ts["min"] >= validation.start) & (ts["max"] < validation.end)
    tested = (ts["min"] >= test.start) & (ts["max"] < test.end)
    assert (validates ^ tested).all()
    assert 0.15 < validates.mean() < 0.25


def test_cold_owners_are_drawn_with_the_share_and_nested(store_of):
    many = {u: [1 + u % 50, 60] for u in range(1, 1001)}

    def cold(share, seed=7):
        events = store_of(many, cold_share=share, seed=seed).tables["events"].to_pandas()
        return set(events.loc[events["event_ts"] >= "2024-05-02", "user_id"])

    half, most = cold(0.5), cold(0.9)
    assert 450 < len(half) < 550
    assert 870 < len(most) < 930
    assert half < most
    assert cold(0.5, seed=8) != half


def test_product_ids_are_a_permutation_that_does_not_follow_item_numbers(store_of):
    _, item = frames_of(store_of(seed=1))
    numbers = np.array([item[p] for p in sorted(item)])
    assert sorted(numbers) == list(range(1, 1201))
    assert abs(np.corrcoef(numbers, np.arange(1200))[0, 1]) < 0.1
    assert frames_of(store_of(seed=2, cold_share=0.5))[1] == item


def test_contract_holds_and_order_and_repetition_of_rows_do_not_matter(store_of, write, tmp_path):
    store = store_of()
    frames, _ = frames_of(store)
    assert [v for name in CONTRACTS for v in violations(name, frames, as_of=pd.Timestamp("2024-07-01", tz="UTC"))] == []
    bought = pd.read_parquet(tmp_path / "toys_sequences.parquet")
    write("toys_sequences", pd.concat([bought, bought.head(9)]).sample(frac=1, random_state=3).to_dict("list"))
    pairs = pd.read_parquet(tmp_path / "toys_item_attributes.parquet")
    repeated = pd.concat([pairs, *[pairs[pairs["attr_id"] == 12]] * 5])  # counted twice, 12 would be the make of 9
    write("toys_item_attributes", repeated.sample(frac=1, random_state=3).to_dict("list"))
    again = load_store("toys", tmp_path)
    assert again.profile == store.profile
    assert all(again.tables[name].equals(table) for name, table in store.tables.items())


def test_profile_says_what_is_judged_and_what_stands_in(store_of, settings_of):
    settings = settings_of(store_of(cold_share=0.98))
    assert settings.store.name == "toys_cold98"
    assert settings.evaluation.positive_events == ("order",)
    assert not settings.evaluation.require_history
    assert not settings.split.refit_at_test_cutoff
    assert str(settings.sources.event_stream_start) == "2023-05-03"
    assert settings.publish.min_users == 4  # nine tenths of five
    assert any("price" in phrase for phrase in settings.store.stand_ins)


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, float("nan")])
def test_a_cold_share_outside_0_and_1_is_refused(store_of, share):
    with pytest.raises(ConfigError, match="cold_share"):
        store_of(cold_share=share)


def test_two_items_at_one_position_are_refused(store_of, write, tmp_path):
    store_of()
    write("toys_sequences", {"user_id": [1, 1], "item_id": [1, 2], "pos": [0, 0]})
    with pytest.raises(ContractError, match=r"toys_sequences\.parquet: 1 position.*two items"):
        load_store("toys", tmp_path)


def test_files_without_vehicles_or_owners_make_no_store(store_of):
    with pytest.raises(DataError, match=r"toys_item_attributes\.parquet: no attribute has 50 to 500 products"):
        store_of(attributes={8: ATTRIBUTES[8]})
    with pytest.raises(DataError, match=r"toys_sequences\.parquet: no user's first item"):
        store_of({5: [70, 1]})

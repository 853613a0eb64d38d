"""Product names as numbers: hand values, what is left out, nearest names, and what a product that nobody took gains."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gnn_core.errors import ArtifactError
from gnn_core.graph import text
from gnn_core.graph.hetero import build_graph, build_structure
from gnn_core.graph.text import name_features, terms_of, tfidf
from gnn_core.model.recommender import GraphRecommender
from gnn_core.scoring.audience import build_audience
from gnn_core.snapshot import Snapshot
from tests.core.builders import make_snapshot
from tests.core.model.worlds import small_settings

NAMES = ["Red tea pot", "RED TEA cup", "blue box", "Blue box, large", "wholly different", ""]


def test_terms_are_words_and_neighbouring_pairs_in_lower_case() -> None:
    assert terms_of("T-light HOLDER_2") == ["t", "light", "holder", "2", "t light", "light holder", "holder 2"]
    assert terms_of("") == terms_of(" - ") == []
    assert terms_of("Gérbera pot") == ["gérbera", "pot", "gérbera pot"]


def test_tfidf_by_hand() -> None:
    # red, tea, "red tea" · blue, box, "blue box" stand in two of six names each; nothing else in more than one.
    made = tfidf(NAMES)[1].toarray()
    assert made.shape == (6, 6)
    third = 3**-0.5
    assert sorted(made[0]) == sorted(made[1]) == pytest.approx([0, 0, 0, third, third, third])
    assert (made[0] * made[1]).sum() == pytest.approx(1)
    assert (made[0] * made[2]).sum() == 0
    assert not made[4:].any()


def test_rare_terms_weigh_more() -> None:
    names = ["pot a", "pot b", "pot c", "pot c lid", "x", "y", "z", "q", "r", "s", "t", "u", "v", "w"]
    made = tfidf(names)[1]
    # In "pot c": pot stands in 4 of 14 names, c and "pot c" in 2.
    pot, rare = np.log(14 / 4), np.log(14 / 2)
    length = (pot**2 + 2 * rare**2) ** 0.5
    assert sorted(made[2].data) == pytest.approx([pot / length, rare / length, rare / length])


def test_a_term_of_most_names_tells_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["set red", "set red x", "set blue", "set blue y", "set z", "set w", "set q", "set t"]
    assert tfidf(names)[1].shape[1] == 4  # red, "set red", blue, "set blue"
    monkeypatch.setattr(text, "MOST_COMMON", 1.0)
    # Its weight would be log 1 = 0, which is no entry.
    assert tfidf(names)[1].nnz == 8


def test_nearest_names_leave_out_the_product_itself_and_are_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    alike = name_features(NAMES, 2).alike_PP.toarray()
    assert alike[0] == pytest.approx([0, 1, 0, 0, 0, 0])
    assert alike[3] == pytest.approx([0, 0, 1, 0, 0, 0])
    assert not np.diag(alike).any()
    monkeypatch.setattr(text, "NEIGHBOURS", 1)
    monkeypatch.setattr(text, "_BLOCK_PRODUCTS", 2)
    same = name_features(["a b"] * 3 + ["c d"] * 2 + ["e"] * 9, 2).alike_PP.toarray()
    # Ties go to the lower product.
    assert [row.argmax() for row in same[:5]] == [1, 0, 0, 4, 3]
    assert (np.count_nonzero(same, axis=1)[:5] == 1).all()


def test_dimensions_are_the_terms_own_whatever_else_the_catalogue_holds() -> None:
    few = name_features(["red pot", "red pot", "tea cup", "tea cup", *"abcdefgh"], 999).table_PD
    more = name_features(
        ["zinc bar", "zinc bar", "red pot", "red pot", "tea cup", "tea cup", *"abcdefgh"], 999
    ).table_PD
    assert len(np.flatnonzero(few[0])) == len(np.flatnonzero(few[2])) == 3
    for old, new in ((0, 2), (2, 4)):
        assert (np.flatnonzero(few[old]) == np.flatnonzero(more[new])).all()
        assert (np.sign(few[old]) == np.sign(more[new])).all()
    assert few.std() == pytest.approx(1, rel=1e-5)


def test_names_without_a_common_word_are_unlike_on_average_though_their_words_share_dimensions() -> None:
    # Two of each, so that words count; 40 families of three words in 8 dimensions.
    table = name_features([f"a{i} b{i} c{i}" for i in range(40) for _ in range(2)], 8).table_PD[::2]
    inner = table @ table.T
    assert abs(inner[np.triu_indices(40, 1)].mean()) < 0.1 * np.diag(inner).mean()


def test_dimensions_keep_cosines() -> None:
    rng = np.random.default_rng(0)
    words = [f"w{i}" for i in range(12)]
    made = name_features([" ".join(rng.choice(words, size=3, replace=False)) for _ in range(60)], 64)
    exact = (made.tfidf_PW @ made.tfidf_PW.T).toarray()
    kept = made.table_PD @ made.table_PD.T
    apart = np.triu_indices(60, 1)
    assert np.corrcoef(exact[apart], kept[apart])[0, 1] > 0.7


@pytest.mark.parametrize("names", [[], ["one"], ["", ""], ["a", "b"]])
def test_names_that_say_nothing_give_zeros(names: list[str]) -> None:
    made = name_features(names, 3)
    assert made.table_PD.shape == (len(names), 3)
    assert not made.table_PD.any()
    assert made.alike_PP.nnz == 0


def store() -> Snapshot:
    """Four families of names; owners who took one teapot take others, and nobody has ever taken the new one."""
    families = ("Painted tea pot", "Iron door hook", "Glass lamp shade", "Wooden toy train")
    names = {f"p{i:02d}": f"{families[i // 6]} number {i}" for i in range(24)}
    names |= {"p98": "Painted tea pot new", "p99": "Iron door hook new"}
    owns = {f"u{u:02d}": ["2000|a|b"] for u in range(40)}
    events = [
        (f"u{u:02d}", f"p{(0 if u % 2 else 6) + (u // 2 + 2 * step) % 6:02d}", "order", f"2026-0{2 + step}-1{u % 9}")
        for u in range(40)
        for step in range(3)
    ]
    products = {p: {"name": n} for p, n in names.items()}
    return make_snapshot(owns=owns, fits={p: ["2000|a|b"] for p in names}, events=events, products=products)


def new_product_margin(changes: dict[str, float]) -> float:
    """How much higher the new teapot scores than the new hook for users who took teapots."""
    settings = small_settings({"sparse_terms": True}, {"max_steps": 1})
    settings = replace(settings, graph=replace(settings.graph, **changes))
    train = store()
    model = GraphRecommender(settings, max_steps=0)
    model.fit(train)
    audience, _ = build_audience(train, np.arange(1, 40, 2))
    model.prepare(audience)
    ids = list(train.product_ids)
    scores = model.score_block(0, len(audience))
    return float((scores[:, ids.index("p98")] - scores[:, ids.index("p99")]).mean())


def test_a_product_that_nobody_took_is_near_by_its_name() -> None:
    assert abs(new_product_margin({})) < 1e-4
    assert new_product_margin({"text_features": 4}) > 0.5
    assert abs(new_product_margin({"text_features": 4, "text_closeness": 0.0})) < 0.2


def test_the_graph_holds_names_only_when_asked() -> None:
    train, settings = store(), small_settings().graph
    plain = build_graph(train, settings)
    assert plain.data["product"].x.shape == (26, 5)
    assert build_structure(train).names is None
    named = build_graph(train, replace(settings, text_features=4))
    assert named.data["product"].x.shape == (26, 9)
    assert (named.data["product"].x[:, :5] == plain.data["product"].x).all()
    assert named.digest() != plain.digest()


def test_last_weeks_weights_for_other_columns_are_refused() -> None:
    train, settings = store(), small_settings()
    model = GraphRecommender(settings, max_steps=1)
    model.fit(train)
    named = replace(settings, graph=replace(settings.graph, text_features=4))
    later = GraphRecommender(named, max_steps=1, warm_start=model.to_checkpoint())
    with pytest.raises(ArtifactError, match=r"product_mlp.0.weight is .* graph.text_features"):
        later.fit(train)


def test_a_checkpoint_of_a_model_that_reads_names_scores_the_same() -> None:
    train = store()
    settings = small_settings()
    settings = replace(settings, graph=replace(settings.graph, text_features=4))
    model = GraphRecommender(settings, max_steps=2)
    model.fit(train)
    audience, _ = build_audience(train, np.arange(10))
    again = GraphRecommender.from_checkpoint(model.to_checkpoint(), train, settings)
    for each in (model, again):
        each.prepare(audience)
    assert (model.score_block(0, 10) == again.score_block(0, 10)).all()

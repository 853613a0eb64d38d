"""Models by name: the peers, SQL, the graph, and variants of them that differ in settings.

What belongs here: names, and what a variant changes. What does not: how models work, or how they are judged.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gnn_core.benchmark.spec import COLD, Spec
from gnn_core.config import Settings
from gnn_core.config.paths import COLD_FEATURES
from gnn_core.errors import ConfigError
from gnn_core.scoring.peers import PEERS
from gnn_core.scoring.sql_run import VERSIONS

GRAPH, SQL = "graph", "sql"
SQL_MODELS = tuple(f"sql_{version}" for version in VERSIONS)
SIMPLE = ("smoother", "ridge", "conditional_logit")
"""The graph has to hold its own against the best of these on validation, not only against SQL."""


@dataclass(frozen=True)
class Variant:
    """A model under other settings."""

    base: str
    changes: Mapping[str, Mapping[str, Any]]
    """Section → key → value."""


_NEVER = 36_500.0
"""Days: a hundred years, which is no decay."""
_NO_SAY = 1e9
"""A prior strength, in orders, or a penalty, beside which no store's evidence counts."""
VARIANTS: dict[str, Variant] = {
    "graph_dot": Variant(GRAPH, {"model": {"sparse_terms": False}}),
    "graph_dot_no_spectral": Variant(GRAPH, {"model": {"sparse_terms": False, "spectral_factors": 0}}),
    "graph_dot_spectral_256": Variant(GRAPH, {"model": {"sparse_terms": False, "spectral_factors": 256}}),
    "graph_closeness": Variant(GRAPH, {"history": {"regressors": 0}}),
    "graph_dot_closeness": Variant(GRAPH, {"history": {"regressors": 0}, "model": {"sparse_terms": False}}),
    "graph_dot_no_fitment": Variant(GRAPH, {"model": {"sparse_terms": False, "fitment_factors": 0}}),
    "graph_no_fitment": Variant(GRAPH, {"model": {"fitment_factors": 0}}),
    "graph_fitment_512": Variant(GRAPH, {"model": {"fitment_factors": 512}}),
    "graph_ranked_by_recall": Variant(GRAPH, {"history": {"rank_measures": ["recall"]}}),
    "graph_fitted_weights": Variant(GRAPH, {"history": {"rank_choosers": int(_NO_SAY)}}),
    "graph_no_spectral": Variant(GRAPH, {"model": {"spectral_factors": 0}}),
    "graph_factors_64": Variant(GRAPH, {"model": {"vehicle_factors": 64}}),
    "graph_gat": Variant(GRAPH, {"model": {"encoder": "gat"}}),
    "graph_sage": Variant(GRAPH, {"model": {"encoder": "sage"}}),
    "graph_one_layer": Variant(GRAPH, {"model": {"layers": 1}}),
    "graph_bce": Variant(GRAPH, {"training": {"loss": "bce"}}),
    "graph_no_popularity_bias": Variant(GRAPH, {"model": {"popularity_bias": False, "scale_init": 10.0}}),
    "graph_no_slack": Variant(GRAPH, {"model": {"slack": False}}),
    "graph_no_vehicle_factors": Variant(GRAPH, {"model": {"vehicle_factors": 0}}),
    "graph_no_item_factors": Variant(GRAPH, {"model": {"item_factors": 0}}),
    "graph_no_item_attributes": Variant(GRAPH, {"model": {"item_attribute_weight": 0.0}}),
    "graph_no_neighbours": Variant(GRAPH, {"paths": {"lift_neighbour_strength": _NO_SAY}}),
    "graph_prior_weights": Variant(GRAPH, {"paths": {"logit_penalties": (_NO_SAY, 10 * _NO_SAY)}}),
    "graph_untaught": Variant(GRAPH, {"split": {"validation_teaches": False}}),
    "graph_all_candidates": Variant(GRAPH, {"paths": {"leading_candidates": 0}}),
    "graph_no_rivals": Variant(GRAPH, {"paths": {"left_out": COLD_FEATURES}}),
    "graph_no_co_purchase": Variant(GRAPH, {"graph": {"co_purchase_min_count": int(_NO_SAY)}}),
    "graph_no_decay": Variant(GRAPH, {"graph": {"decay_tau_days": _NEVER}}),
    "graph_names": Variant(GRAPH, {"graph": {"text_features": 64}}),
    "graph_names_in_towers": Variant(GRAPH, {"graph": {"text_features": 64, "text_closeness": 0.0}}),
    "graph_product_ids": Variant(GRAPH, {"model": {"product_id_embedding": True}}),
    "graph_user_ids": Variant(GRAPH, {"model": {"user_id_embedding": True}}),
    "graph_fitting_loss": Variant(GRAPH, {"training": {"fitting_loss_weight": 1.0}}),
    "graph_all_products_loss": Variant(GRAPH, {"training": {"fitting_loss_weight": 0.0}}),
    "graph_no_averaging": Variant(GRAPH, {"training": {"weight_averaging": 0.0}}),
    "graph_untrained": Variant(GRAPH, {"training": {"max_steps": 0}}),
    "implicit_als_256": Variant("implicit_als", {"peers": {"als_factors": 256}}),
}
"""Ablations, and settings under which published figures of a peer were made. Not run unless named."""


Grid = tuple[Mapping[str, Mapping[str, Any]], ...]
VEHICLE_GRIDS: dict[str, Grid] = {
    "ridge": tuple({"peers": {"ridge_penalty": penalty}} for penalty in (300.0, 1_000.0, 3_000.0, 10_000.0, 30_000.0)),
    "conditional_logit": tuple(
        {"peers": {"logit_segment_strength": s, "logit_make_strength": 3 * s}} for s in (10.0, 100.0, 1000.0)
    ),
}
HISTORY_GRIDS: dict[str, Grid] = {
    "own_history": tuple({"peers": {"own_history_decay_tau_days": tau}} for tau in (3.0, 30.0, _NEVER)),
    "item_knn": tuple(
        {"peers": {"item_knn_decay_tau_days": tau, "item_knn_neighbours": neighbours}}
        for neighbours in (200, 1000)
        for tau in (7.0, 30.0, 90.0, _NEVER)
    ),
    "ease": tuple({"peers": {"ease_decay_tau_days": tau}} for tau in (30.0, 90.0, _NEVER)),
    "gf_cf": tuple(
        {"peers": {"gf_cf_decay_tau_days": tau, "gf_cf_own_history": own}}
        for tau in (30.0, 90.0, _NEVER)
        for own in (0.0, 1.0)
    ),
    "light_gcn": tuple({"peers": {"light_gcn_steps": steps}} for steps in (100, 300, 1000)),
}
"""Settings that an opponent chooses from on validation, since a weak opponent proves nothing; the first of equals wins.
Those that read vehicles choose where vehicles tell users apart, those that read histories where users have one.
SQL is what runs today and has no settings; the smoother has `evaluation.smoother_multiples`."""


def grid_of(base: str, spec: Spec) -> Grid:
    """What a model chooses from on validation: one point, its settings as they are, where it has no grid."""
    return (VEHICLE_GRIDS if spec.kind == COLD else HISTORY_GRIDS).get(base, ({},))


def variant_of(model: str) -> Variant:
    """A model's base and changes.

    Raises:
        ConfigError: no such model.
    """
    if model in VARIANTS:
        return VARIANTS[model]
    if model in (*PEERS, *SQL_MODELS, GRAPH):
        return Variant(model, {})
    raise ConfigError(f"model {model!r} is unknown; there are {', '.join(all_models())}, and {SQL} for its versions")


def all_models() -> tuple[str, ...]:
    """Every name that can be run, the baselines first."""
    return (*SQL_MODELS, *PEERS, GRAPH, *VARIANTS)


def expanded(models: Sequence[str]) -> tuple[str, ...]:
    """Names as given, `sql` as its versions, each once; no name = SQL, every peer and the graph."""
    asked = models or (SQL, *PEERS, GRAPH)
    found = [name for model in asked for name in (SQL_MODELS if model == SQL else (model,))]
    for name in found:
        variant_of(name)
    return tuple(dict.fromkeys(found))


def changed(settings: Settings, changes: Mapping[str, Mapping[str, Any]]) -> Settings:
    """The settings with a variant's values in place; ranges are checked as for a file.

    Raises:
        ConfigError: a section or key is unknown, or a value out of range.
    """
    sections: dict[str, Any] = {}
    for section, values in changes.items():
        old: Any = getattr(settings, section, None)
        known = {f.name for f in dataclasses.fields(old)} if dataclasses.is_dataclass(old) else set()
        for key in values:
            if key not in known:
                raise ConfigError(f"variant: unknown key {section}.{key}")
        sections[section] = dataclasses.replace(old, **values)
    return dataclasses.replace(settings, **sections)

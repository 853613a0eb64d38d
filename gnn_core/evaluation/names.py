"""How models are called where people read: in tables, and inside sentences."""

from __future__ import annotations

LABELS = {
    "graph": "Graph model",
    "hybrid": "Hybrid (SQL + graph)",
    "smoother": "Smoother",
    "popularity": "Popularity",
    "own_history": "Own history",
    "item_knn": "Item neighbours (kNN)",
    "implicit_als": "Matrix factorisation (ALS)",
    "sql_v5.17": "SQL v5.17",
    "sql_v5.18": "SQL v5.18",
}
"""By the `name` of a recommender; one that is not listed is called by its own name."""


def label(model: str) -> str:
    """A model's name in a table."""
    return LABELS.get(model, model)


def phrase(model: str) -> str:
    """A model's name inside a sentence: "the hybrid", "SQL v5.18"."""
    if model not in LABELS:
        return model
    name = LABELS[model].split(" (")[0]
    return name if name.startswith("SQL") else f"the {name[:1].lower()}{name[1:]}"

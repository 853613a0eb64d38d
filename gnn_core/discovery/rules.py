"""What must be true of the tables that other teams read; each asked by sql/discovery/<name>.sql."""

from __future__ import annotations

from gnn_core.publishing.side_tables import SideRule

SIMILARITY_RULES = (
    SideRule("not_itself", "No product is similar to itself or to another variant of its base product."),
    SideRule("one_kind_each", "No pair of products stands twice, and ranks run from 1 without a gap."),
    SideRule("alike_both_ways", "Where two products name each other, kind, similarity, joint orders and people agree."),
    SideRule("known_pairs", "Both products are in the week's catalogue, and a vehicle exists that both fit."),
)
UNIVERSAL_RULES = (
    SideRule("ranked_once", "Every product stands once, ranks run from 1 without a gap, and scores never rise."),
)

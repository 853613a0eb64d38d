"""The page of the shadow comparison: what would change, for whom, and whether both tables keep the rules.

What belongs here: order and wording. What does not: any figure (monitoring/shadow.py, publishing/audit.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gnn_core.evaluation.names import label, phrase
from gnn_core.program.pages import render


def render_shadow(shadow: Mapping[str, Any], store: str, as_of: str) -> str:
    """`shadow.json` of shadow_comparison as one self-contained HTML page."""
    compared = shadow["state"] == "compared"
    tables = []
    if compared:
        tables = [
            {"name": shadow[name], "what": what, **shadow["qa"][side]}
            for name, side, what in (("baseline", "served", "what it would replace"), ("policy", "shadow", "promoted"))
        ]
    return render(
        "shadow.html.j2",
        label=label,
        phrase=phrase,
        shadow=shadow,
        store=store,
        as_of=as_of,
        compared=compared,
        tables=tables,
        clean=all(not t["broken"] for t in tables),
    )

"""A store of a dozen people in which every kind of path exists once, and the reason of each list can be told by hand.

Two Camaro owners (bob, cid) and nobody else of that model touched HOOD; two Nova owners touched WHEEL, which fits both.
CARB and MANIFOLD were bought together twice. CARB and LAMP were touched by two people (gus, hal), never in one order.
"""

from __future__ import annotations

from typing import Any

C69, C70, NOVA, F150 = "1969|chevrolet|camaro", "1970|chevrolet|camaro", "1972|chevrolet|nova", "1999|ford|f-150"
EVERY = [C69, C70, NOVA]
STORE: dict[str, Any] = {
    "owns": {
        "ann": [C69],  # looked at CARB
        "bob": [C69],
        "cid": [C70],
        "dee": [NOVA],
        "eve": [NOVA],
        "fay": [C69],  # cold
        "gus": [F150],
        "hal": [F150],
        "ida": [C69],  # has LAMP in her cart
        "joe": [C69, NOVA],  # cold, two vehicles
    },
    "fits": {
        "BARE": EVERY,
        "CARB": [*EVERY, F150],
        "HOOD": EVERY,
        "LAMP": [*EVERY, F150],
        "MANIFOLD": [*EVERY, F150],
        "WHEEL": EVERY,
        "COVER": [],
    },
    "products": {
        "HOOD": {"part_type": "Hood"},
        "LAMP": {"part_type": "LED Lamp"},
        "MANIFOLD": {"part_type": "Intake Manifold"},
        "WHEEL": {"part_type": "Wheel"},
        "BARE": {"part_type": "Bumper"},
        "COVER": {"part_type": "Car Cover"},
    },
    "events": [
        ("ann", "CARB", "view", "2026-05-01"),
        ("bob", "HOOD", "order", "2026-04-01", "o1"),
        ("cid", "HOOD", "view", "2026-04-02"),
        ("dee", "WHEEL", "order", "2026-04-03", "o2"),
        ("eve", "WHEEL", "cart", "2026-04-04"),
        ("gus", "CARB", "order", "2026-03-01", "o3"),
        ("gus", "MANIFOLD", "order", "2026-03-01", "o3"),
        ("gus", "LAMP", "view", "2026-03-05"),
        ("hal", "CARB", "order", "2026-03-02", "o4"),
        ("hal", "MANIFOLD", "order", "2026-03-02", "o4"),
        ("hal", "LAMP", "view", "2026-03-06"),
        ("ida", "LAMP", "view", "2026-05-02"),
        ("ida", "LAMP", "cart", "2026-05-03"),
    ],
}

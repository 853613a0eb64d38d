"""`python -m benchmarks [NAME]`: one of them with its own options, or the quick ones, one after the other."""

from __future__ import annotations

import sys
from importlib import import_module

NAMES = ("planted", "gpu", "distributed", "universal", "drift", "facts", "stopping", "teaching")


def main() -> None:
    """Planted worlds with few seeds by default; the figures in docs/ come from more (see each one's --help)."""
    name, *rest = sys.argv[1:] or ["planted", "--seeds", "3"]
    if name not in NAMES:
        raise SystemExit(f"no benchmark is called {name!r}; there are {', '.join(NAMES)}")
    # Only the one that is asked for: what needs a GPU should not need a warehouse.
    import_module(f"benchmarks.{name}").main(rest)


if __name__ == "__main__":
    main()

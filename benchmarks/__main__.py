"""`python -m benchmarks [NAME]`: one of them with its own options, or the quick ones, one after the other."""

from __future__ import annotations

import sys

from benchmarks import planted

NAMES = ("planted", "gpu", "distributed")


def main() -> None:
    """Planted worlds with few seeds; the figures in docs/ come from more (see each module's --help)."""
    if len(sys.argv) == 1:
        planted.main(["--seeds", "3"])
        return
    name, *rest = sys.argv[1:]
    if name == "planted":
        planted.main(rest)
    elif name == "gpu":
        from benchmarks import gpu

        gpu.main(rest)
    elif name == "distributed":
        from benchmarks import distributed

        distributed.main(rest)
    else:
        raise SystemExit(f"no benchmark is called {name!r}; there are {', '.join(NAMES)}")


if __name__ == "__main__":
    main()

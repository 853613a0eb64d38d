"""`python -m benchmarks`: the quick ones, one after the other. Each module runs alone with its own options."""

from __future__ import annotations

from benchmarks import planted


def main() -> None:
    """Planted worlds with few seeds; the figures in docs/ come from more (see each module's --help)."""
    planted.main(["--seeds", "3"])


if __name__ == "__main__":
    main()

"""The vehicles of a store: make/models, their years, their latent platform and how many users own them.

What belongs here: which vehicles exist and how popular they are. What does not: who owns them (people.py).
Shape letters: V year/make/models, S make/models, K platforms, M makes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gnn_core.errors import ConfigError
from gnn_core.simulate.sizes import StoreSize
from gnn_core.simulate.streams import Streams
from gnn_core.simulate.vehicle_list import TRIMS, VEHICLES

Int = NDArray[np.int64]


@dataclass(frozen=True)
class Garage:
    """Every year/make/model, sorted by vehicle id, so that positions agree with a snapshot's."""

    vehicle_ids: NDArray[np.object_]
    """Contract ids: lower `year|make|model`."""
    year_V: Int
    make_name_V: NDArray[np.object_]
    model_name_V: NDArray[np.object_]
    segment_V: Int
    make_V: Int
    platform_V: Int
    platform_names: tuple[str, ...]
    family_K: Int
    demand_V: NDArray[np.float64]
    """Share of vehicle owners; sums to 1."""

    @property
    def n_segments(self) -> int:
        """Number of make/models."""
        return int(self.segment_V.max()) + 1

    @property
    def n_makes(self) -> int:
        """Number of makes."""
        return int(self.make_V.max()) + 1


def build_garage(size: StoreSize, streams: Streams) -> Garage:
    """Pick make/models and years for a store of that size; trims extend the list when it is too short.

    Raises:
        ConfigError: the size asks for more make/models or years than the list and its trims hold.
    """
    rng = streams("vehicles")
    listed = _listed()
    platforms = tuple(dict.fromkeys(listed["platform"]))[: size.platforms]
    listed = listed[listed["platform"].isin(platforms)]
    base = _pick_base(listed, size.segments, rng)
    rows = listed.merge(base[["make", "model", "weight"]], on=["make", "model"])
    if size.segments > len(base):
        rows = pd.concat([rows, _trims(rows, base, size.segments - len(base), rng)], ignore_index=True)
    rows = _pick_years(rows, size.year_models, rng)
    rows["vehicle_id"] = rows["year"].astype(str) + "|" + (rows["make"] + "|" + rows["model"]).str.lower()
    rows = rows.sort_values("vehicle_id", kind="stable").reset_index(drop=True)
    segment_V = pd.factorize(rows["make"] + "|" + rows["model"], sort=True)[0]
    families = pd.factorize(rows.drop_duplicates("platform").set_index("platform")["family"].reindex(platforms))[0]
    platform_V = pd.Categorical(rows["platform"], categories=list(platforms)).codes
    standing_K = 1.0 / np.sqrt(1.0 + np.arange(len(platforms)))
    per_platform_K = np.bincount(platform_V, minlength=len(platforms))
    demand_V = rows["weight"].to_numpy() * standing_K[platform_V] / per_platform_K[platform_V]
    demand_V = demand_V * np.exp(0.5 * rng.standard_normal(len(rows)))
    return Garage(
        vehicle_ids=rows["vehicle_id"].to_numpy(dtype=object),
        year_V=rows["year"].to_numpy(dtype=np.int64),
        make_name_V=rows["make"].to_numpy(dtype=object),
        model_name_V=rows["model"].to_numpy(dtype=object),
        segment_V=segment_V.astype(np.int64),
        make_V=pd.factorize(rows["make"], sort=True)[0].astype(np.int64),
        platform_V=platform_V.astype(np.int64),
        platform_names=platforms,
        family_K=families.astype(np.int64),
        demand_V=demand_V / demand_V.sum(),
    )


@cache
def _listed() -> pd.DataFrame:
    """One row a year/make/model of the list."""
    rows = []
    for line in VEHICLES.strip().splitlines():
        place, make, kind, models = (part.strip() for part in line.split("|"))
        family, platform = (part.strip() for part in place.split(">"))
        for item in models.split(","):
            match = re.fullmatch(r"(.+) (\d{4})-(\d{4})", item.strip())
            if match is None:
                raise ConfigError(f"vehicle list: {item.strip()!r} is not `model year-year`")
            years = range(int(match[2]), int(match[3]) + 1)
            rows += [(family, platform, make, kind, match[1], year) for year in years]
    return pd.DataFrame(rows, columns=["family", "platform", "make", "kind", "model", "year"])


def _pick_base(listed: pd.DataFrame, count: int, rng: np.random.Generator) -> pd.DataFrame:
    """Up to `count` make/models, spread over platforms first and over the makes of a platform second."""
    base = listed.drop_duplicates(["make", "model"])[["platform", "make", "model"]].reset_index(drop=True)
    base["weight"] = np.exp(1.1 * rng.standard_normal(len(base)))
    base = base.sort_values("weight", ascending=False, kind="stable")
    base["in_make"] = base.groupby(["platform", "make"]).cumcount()
    base = base.sort_values(["in_make", "weight"], ascending=[True, False], kind="stable")
    base["turn"] = base.groupby("platform").cumcount()
    return base.sort_values(["turn", "in_make"], kind="stable").head(count).reset_index(drop=True)


def _trims(rows: pd.DataFrame, base: pd.DataFrame, count: int, rng: np.random.Generator) -> pd.DataFrame:
    """`count` further make/models: a base model, a trim, and a few consecutive model years of it."""
    span = rows.groupby(["make", "model"], sort=True).agg(
        years=("year", lambda y: tuple(sorted(y))), kind=("kind", "first"), weight=("weight", "first")
    )
    options = span.reset_index().merge(
        pd.DataFrame([(kind, trim) for kind, trims in TRIMS.items() for trim in trims], columns=["kind", "trim"]),
        on="kind",
    )
    ends_so = np.array([m.endswith(t) for m, t in zip(options["model"], options["trim"], strict=True)])
    options = options[~ends_so].reset_index(drop=True)
    if count > len(options):
        raise ConfigError(f"{count} trims wanted, {len(options)} exist; ask for fewer make/models or more platforms")
    key = rng.random(len(options)) ** (1.0 / options["weight"].to_numpy())
    options = options.iloc[np.sort(np.argsort(-key, kind="stable")[:count])].reset_index(drop=True)
    length = rng.integers(3, 9, count)
    at = rng.random(count)
    start = np.array([y[int(u * len(y))] for y, u in zip(options["years"], at, strict=True)])
    options = options.assign(start=start, stop=start + length - 1)
    years = rows.merge(options[["make", "model", "trim", "start", "stop"]], on=["make", "model"])
    years = years[(years["year"] >= years["start"]) & (years["year"] <= years["stop"])]
    return years.assign(model=years["model"] + " " + years["trim"], weight=years["weight"] * 0.35)[rows.columns]


def _pick_years(rows: pd.DataFrame, count: int, rng: np.random.Generator) -> pd.DataFrame:
    """`count` year/make/models, at least one of each make/model."""
    rows = rows.assign(key=rng.random(len(rows)) / rows["weight"] ** 0.25)
    rows["key"] -= 1e6 * (rows.groupby(["make", "model"])["key"].rank(method="first") == 1)
    if count > len(rows):
        raise ConfigError(f"{count} year/make/models wanted, {len(rows)} exist; ask for fewer or for more make/models")
    return rows.sort_values("key", kind="stable").head(count).drop(columns="key")

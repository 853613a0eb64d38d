"""What is true in a simulated store: what drives a customer's choice, and whether SQL can see it.

What belongs here: the strengths of each effect and the three kinds of world. What does not: counts, dates (sizes.py).

A customer who owns vehicle v of platform k, make m and segment s chooses product p among those that fit with
probability ∝ exp(appeal_p + platform_kp + make_mp + segment_sp + season + drift + own taste). Strengths are standard
deviations of those terms.
"""

from __future__ import annotations

from dataclasses import dataclass

from gnn_core.errors import ConfigError

MAX_LIFT = 0.25


@dataclass(frozen=True)
class World:
    """Strengths of the effects; use the constructors `default`, `planted_null`, `planted_structure`."""

    name: str
    appeal: float
    """Product appeal over the whole store; the exponential of it is heavy-tailed."""
    platform: float
    """What an engine family wants, whichever make it sits in: the part that crosses makes."""
    make: float
    segment: float
    taste: float
    """Bonus of a customer's favourite kit, and sensitivity to price."""
    kit: float
    """Bonus of parts of the kit that the visit began with: why co-purchases are more than chance."""
    season: float
    drift: float
    """Spread of the yearly random walk of a product's appeal."""
    revisit: float
    """Share of later visits that begin with a product that the customer had seen before."""
    elsewhere: float
    """Share of visits for another vehicle than the registered one: their products do not fit it."""
    universal: float
    """Share of visits that begin with a product that fits everything."""
    multi_vehicle: float
    """Share of users with a second or third vehicle."""
    mail_visits: float
    """Share of visits that follow a click in an e-mail, on one of the products that SQL put there."""
    planted: str | None = None
    """None, `null` or `structure`: how the last 60 days are drawn (planting.py)."""
    lift: float = 0.0
    """Structure: lift of Recall@10 over the cascade that a ranker reaches which knows the platforms and the history."""

    def __post_init__(self) -> None:
        if self.planted not in (None, "null", "structure"):
            raise ConfigError(f"world.planted is {self.planted!r}; it must be null, structure or None")
        if self.planted == "structure" and not 0 < self.lift <= MAX_LIFT:
            raise ConfigError(f"world.lift is {self.lift}; it must lie in (0, {MAX_LIFT}]: more is not realistic")

    @classmethod
    def default(cls) -> World:
        """A store as they are: platforms cross makes, tastes and kits exist, e-mails bring some of the visits."""
        return cls(
            "default", appeal=0.55, platform=0.5, make=0.2, segment=0.2, taste=0.5, kit=2.6, season=0.35, drift=0.5,
            revisit=0.25, elsewhere=0.08, universal=0.06, multi_vehicle=0.08, mail_visits=0.15,
        )  # fmt: skip

    @classmethod
    def planted_null(cls) -> World:
        """SQL is right: in the last 60 days, choice is a strictly increasing function of the v5.18 score.

        Products of equal score are equally likely, so no ranker has a higher expected recall than the cascade. One
        vehicle a user, one product an order, nothing personal and no e-mail visits: the score is unambiguous.
        """
        return cls._planted("planted_null", appeal=0.8, platform=0.0, planted="null", lift=0.0)

    @classmethod
    def planted_structure(cls, lift: float = 0.15) -> World:
        """Platforms across makes matter, and segments are too sparse for SQL to see it; `lift` is what is to be had.

        The `trial` size supports 0.15 with every seed tried (46), and 0.2 with all of them but one.
        """
        return cls._planted("planted_structure", appeal=0.3, platform=0.8, planted="structure", lift=lift)

    @classmethod
    def _planted(cls, name: str, *, appeal: float, platform: float, planted: str, lift: float) -> World:
        return cls(
            name, appeal=appeal, platform=platform, make=0.0, segment=0.0, taste=0.0, kit=0.0, season=0.0, drift=0.0,
            revisit=0.0, elsewhere=0.0, universal=0.0, multi_vehicle=0.0, mail_visits=0.0, planted=planted, lift=lift,
        )  # fmt: skip

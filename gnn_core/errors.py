"""Errors of the library. Each names the table, column, row, key or setting at fault, and what to do."""


class GnnCoreError(Exception):
    """Base of every error that this library raises on purpose."""


class ConfigError(GnnCoreError):
    """A setting is unknown, missing or out of range; names its dotted key."""


class ContractError(GnnCoreError):
    """A table breaks its declared schema, key or foreign key; names table, column and example rows."""


class ShapeError(GnnCoreError, ValueError):
    """Two arrays that belong together disagree in shape; names both."""


class LeakageError(GnnCoreError):
    """Something after the cutoff reached training, features or a baseline."""


class ArtifactError(GnnCoreError):
    """An artifact is missing, damaged, or was made from other inputs or settings than its reader expects."""


class WarehouseError(GnnCoreError):
    """A warehouse operation failed; names the table or the query file."""


class TableNotFoundError(WarehouseError):
    """A table that was asked for does not exist."""


class WarehouseBusyError(WarehouseError):
    """Another process holds the embedded database and did not let go in time."""


class PublishRefused(GnnCoreError):
    """The publisher's own audit failed; the live table has not moved. Names every rule that failed."""


class RolloutRefused(GnnCoreError):
    """A move of the rollout does not follow from its ledger, its guards or its rules; nothing has moved."""


class DataError(GnnCoreError):
    """The data allow no sensible answer (no eligible product, no event, no user with a vehicle)."""


class DivergedError(GnnCoreError):
    """Training produced a NaN or infinite loss; names the step."""


class ProcessLostError(GnnCoreError):
    """One of several processes that train together is gone, silent, or holds another model; names the step."""

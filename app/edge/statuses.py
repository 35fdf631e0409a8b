"""The one table from our errors to HTTP statuses."""

from typing import Final

import app.errors as errors

_STATUSES: Final[tuple[tuple[type[errors.BareboatError], int], ...]] = (
    (errors.Invalid, 422),
    (errors.Unauthenticated, 401),
    (errors.IssuerUnavailable, 503),
    (errors.Forbidden, 403),
    (errors.NotFound, 404),
    (errors.Conflict, 409),
    (errors.Throttled, 429),
    (errors.ConnectTimeout, 504),
    (errors.NodeError, 502),
    (errors.ActFailed, 502),
    (errors.DeliveryFailed, 502),
)


def status_of(error: errors.BareboatError) -> int:
    """500 only for an error that this table forgot, which a test looks for."""
    return next((status for kind, status in _STATUSES if isinstance(error, kind)), 500)

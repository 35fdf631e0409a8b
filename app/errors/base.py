"""The root of the tree, what is wrong with a request, and what keeps this installation from serving."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any


class BareboatError(Exception):
    """Base of all: a stable `code`, a message that says what to do, `errors` by field where there are fields."""

    code = "error"
    message = "Something went wrong."
    retryable = False

    def __init__(self, message: str | None = None, *, errors: Mapping[str, Any] | None = None) -> None:
        self.message = message or type(self).message
        self.errors = dict(errors or {})
        super().__init__(self.message)


class Invalid(BareboatError):
    code = "invalid_value"
    message = "A value is not allowed; see the field's own message."


@contextmanager
def naming(field: str) -> Iterator[None]:
    """An Invalid from inside that names no field is about this one."""
    try:
        yield
    except Invalid as error:
        error.errors = error.errors or {field: [error.message]}
        raise


class UnsafePath(Invalid):
    code = "path_unsafe"
    message = "The path is not a plain relative path inside the project."


class InvalidGitUrl(Invalid):
    code = "git_url_invalid"
    message = "The git address is not one that Bareboat may use."


class PlaybookInvalid(Invalid):
    code = "playbook_invalid"
    message = "The playbook is not written as it should be; see its line."


class UnreadableKey(Invalid):
    code = "key_unreadable"
    message = "This is not a private key that Bareboat can use."


class Unauthenticated(BareboatError):
    code = "unauthenticated"
    message = "Log in, or send a valid API token as 'Authorization: Bearer TOKEN'."


class LoginRefused(Unauthenticated):
    code = "login_refused"
    message = "The login server's answer lets nobody in; log in again."


class IssuerUnavailable(BareboatError):
    code = "issuer_unavailable"
    message = "The login server cannot be asked; try again later, or use a password."


class Forbidden(BareboatError):
    code = "forbidden"
    message = "Your role does not allow this; ask an admin."


class SecondFactorNeeded(Forbidden):
    code = "second_factor_needed"
    message = "Admins need a second factor here: set it up on the page Account, then go on."


class CommandNotAllowed(Forbidden):
    code = "command_not_allowed"
    message = "This program may not be run here; see ALLOWED_COMMANDS."


class SignatureInvalid(Forbidden):
    code = "signature_invalid"
    message = "The delivery is not signed with this hook's secret; nothing was done. Compare the secret at the forge."


class NotFound(BareboatError):
    code = "not_found"
    message = "There is no such thing; it may have been deleted."


class Throttled(BareboatError):
    code = "throttled"
    message = "Too many attempts; wait a minute and try again."


class MasterKeyMissing(BareboatError):
    code = "master_key_missing"
    message = "There is no master key; run 'flask --app wsgi init'."


class MasterKeyUnsafe(BareboatError):
    code = "master_key_unsafe"
    message = "The master key is weak, or others could read or replace it."


class SecretUnreadable(BareboatError):
    code = "secret_unreadable"
    message = "A stored secret does not open: it was changed, or moved here from another row; upload it again."


class DatabaseNotCurrent(BareboatError):
    code = "database_not_current"
    message = "The database is not the one that this version of Bareboat expects."


class LeaseLost(BareboatError):
    code = "lease_lost"
    message = "Another runner has taken this job up; this one leaves it alone."


class SettingsWrong(BareboatError):
    code = "settings_wrong"
    message = "The settings do not fit together; see docs/settings.md."


class DeliveryFailed(BareboatError):
    """A notification was not taken. `status` is the receiver's code, where it gave one."""

    code = "delivery_failed"
    message = "The receiver did not take the notification; it is tried again."

    def __init__(self, message: str | None = None, *, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status

"""The node answered, and the act did not succeed."""

from typing import Any

from app.errors.base import BareboatError
from app.failures import ACT_FAILURES, RETRYABLE_FAILURES


class ActFailed(BareboatError):
    """The node answered, and the act did not succeed. `output` is the node's last words, for people; `details` what it
    is about, where that is known, as JSON has it."""

    code = "act_failed"
    message = "The act failed on the node; see its log."

    def __init__(
        self,
        code: str | None = None,
        message: str | None = None,
        *,
        exit_status: int | None = None,
        output: str = "",
        details: dict[str, Any] | None = None,
    ) -> None:
        self.code = code or type(self).code
        super().__init__(message or ACT_FAILURES.get(self.code))
        self.retryable = self.code in RETRYABLE_FAILURES
        self.exit_status = exit_status
        self.output = output
        self.details = details


class ActTimedOut(ActFailed):
    code = "timed_out"
    message = "The act took longer than its limit and was stopped."


class ActCancelled(ActFailed):
    code = "cancelled"
    message = "Cancelled; nothing of it runs on the node any more."


class OutputLimitExceeded(ActFailed):
    code = "output_limit"
    message = "The act printed more than the limit and was stopped."


class StopUnconfirmed(ActFailed):
    """`output` holds the process ids that were still alive on the node, with blanks between them."""

    code = "stop_unconfirmed"
    message = "The process could not be proved to have ended; look for it on the node."

"""Errors that are answers: what went wrong in the user's words, and how to mend it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

Text = str | Promise

PROBLEM_TYPE: Final = "application/problem+json"


@dataclass(frozen=True)
class FieldProblem:
    """One field that has to be mended: its name as the caller wrote it, a stable code, a sentence."""

    field: str
    code: str
    message: Text

    def as_json(self) -> dict[str, str]:
        return {"field": self.field, "code": self.code, "message": str(self.message)}


class Problem(Exception):
    """An anticipated error with its HTTP status; subclasses stand beside the function that raises them.

    ``extra`` goes into the answer as further members (RFC 9457). ``retry_after`` says in how many seconds it is worth asking
    again, where waiting helps.
    """

    status = 400
    title: Text = _("Bad request")

    def __init__(
        self,
        detail: Text = "",
        *,
        errors: Sequence[FieldProblem] = (),
        retry_after: int | None = None,
        **extra: Any,
    ) -> None:
        super().__init__(str(detail))
        self.detail = detail
        self.errors = tuple(errors)
        self.retry_after = retry_after
        self.extra = extra

    def as_json(self) -> dict[str, Any]:
        """The body of an ``application/problem+json`` answer (RFC 9457)."""
        return {
            "type": "about:blank",
            "title": str(self.title),
            "status": self.status,
            "detail": str(self.detail),
            "errors": [error.as_json() for error in self.errors],
        } | self.extra


class Invalid(Problem):
    """What was sent cannot be understood or breaks a rule."""


class Forbidden(Problem):
    status = 403
    title = _("Not allowed")


class NotFound(Problem):
    """Absent, or another tenant's: the two look the same."""

    status = 404
    title = _("Not found")


class Conflict(Problem):
    """The request is well-formed but the present state does not allow it."""

    status = 409
    title = _("Conflict")


class TooLarge(Problem):
    status = 413
    title = _("Too large")


class Unprocessable(Problem):
    status = 422
    title = _("Cannot be processed")

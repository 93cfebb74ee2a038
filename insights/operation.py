"""What the installation is doing in all tenants at once: counts for operators, from one audited function."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from django.db import connection
from django.utils import timezone

from core.scrape import Reading

What = Literal["due_overdue", "due_held", "submission", "lead", "message", "import", "import_row"]

# Each count stops here, so that a backlog of millions costs no more to look at.
MOST: Final = 20_000


@dataclass(frozen=True)
class OperationCount:
    """How many of one thing are in one state, in one tenant where that matters, and since when the oldest is.

    ``part`` is the kind of due rows, else the state. ``tenant`` is the tenant's address. ``amount`` stops at ``MOST``.
    """

    what: What
    part: str
    tenant: str | None
    amount: int
    oldest: datetime | None


def read_operation_counts(*, now: datetime) -> list[OperationCount]:
    """Every count there is something of; nothing of what a tenant knows. Raises DatabaseError."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT what, part, tenant, amount, oldest FROM leadsys_operation_counts(%s, %s)", [now, MOST]
        )
        return [OperationCount(*row) for row in cursor.fetchall()]


# By what is counted: the metric of the amount with its label, the metric of the oldest one's age, and the parts that are shown as
# zero when there is nothing.
_GAUGES: Final[dict[What, tuple[str, str, str, str, tuple[str, ...]]]] = {
    "due_overdue": (
        "leadsys_due_rows_overdue",
        "Due rows whose time has come.",
        "leadsys_due_lag",
        "kind",
        (),
    ),
    "due_held": ("leadsys_due_rows_held", "Due rows given up after three tries.", "", "kind", ()),
    "submission": (
        "leadsys_submissions_unfinished",
        "Submissions that are received or held.",
        "leadsys_submissions_oldest",
        "state",
        ("received", "held"),
    ),
    "lead": (
        "leadsys_leads_held",
        "Leads whose processing failed, tried again or held.",
        "leadsys_leads_held_oldest",
        "state",
        ("retrying", "held"),
    ),
    "message": (
        "leadsys_messages_open",
        "Messages that are due, whose sending did not end in time, or whose outcome is unknown.",
        "leadsys_messages_oldest",
        "state",
        ("queued", "sending", "unknown"),
    ),
    "import": ("leadsys_imports", "Imports, finished or not.", "", "state", ("finished", "unfinished")),
}


def read_gauges() -> Iterable[Reading]:
    """The counts as metrics, summed over tenants: no metric names one."""
    now = timezone.now()
    counts = read_operation_counts(now=now)
    for what, (name, help_text, age_name, label, parts) in _GAUGES.items():
        amounts: dict[str, int] = defaultdict(int, dict.fromkeys(parts, 0))
        oldest: dict[str, datetime] = {}
        for count in counts:
            if count.what != what:
                continue
            amounts[count.part] += count.amount
            if count.oldest is not None:
                oldest[count.part] = min(count.oldest, oldest.get(count.part, count.oldest))
        for part, amount in amounts.items():
            yield Reading(name, help_text, amount, ((label, part),))
            if age_name:
                age = max(0.0, (now - oldest[part]).total_seconds()) if part in oldest else 0.0
                words = f"{help_text} Seconds that the oldest has waited."
                yield Reading(f"{age_name}_seconds", words, age, ((label, part),))
    for count in counts:
        if count.what == "import_row":
            labels = (("outcome", count.part),)
            yield Reading("leadsys_import_rows", "Rows of imports.", count.amount, labels, "counter")

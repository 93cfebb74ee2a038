"""Policies of clocks: how long each lasts, and what happens at which share of its time.

The document (kind ``clocks``)::

    {"policies": [{"kind": "first_contact", "duration": {"kind": "working_days", "amount": 1},
                   "warn": [50, 80], "offer": 150, "escalate": 200}]}

``amount`` is minutes for elapsed and working_hours, days for working_days. ``warn`` are per cents of the time before the
deadline. At 100 % a clock is broken and the team lead is told. At ``offer`` % the lead is offered to the next person, at
``escalate`` % the managers are told; null leaves either out. What starts and meets a kind of clock is part of the kind. A kind
without a policy is not run.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from leads.versions import InvalidDocument, path_problem
from routing.business_time import Duration, DurationKind, InvalidDuration
from routing.models import ClockKind
from tenancy.errors import FieldProblem
from tenancy.models import TeamFunction

BREACH: Final = 100
# The result that a clock's decision keeps when its deadline moved with the calendar.
RECOUNTED: Final = "recounted"
MAX_SHARE: Final = 1000
MAX_WARNINGS: Final = 5
_POLICY_KEYS: Final = frozenset({"kind", "duration", "warn", "offer", "escalate"})

# The function that has to act, and so whose owner is warned.
CLOCK_FUNCTION: Final[Mapping[str, TeamFunction]] = {
    ClockKind.FIRST_CONTACT: TeamFunction.SDR,
    ClockKind.ASKED_FOR_CONTACT: TeamFunction.SDR,
    ClockKind.ANSWER_SQL: TeamFunction.SALES,
    ClockKind.BACK_TO_NURTURE: TeamFunction.MARKETING,
}


class ShareAct(StrEnum):
    """What happens at a share of a clock's time; also the result that its decision keeps."""

    WARN = "warned"
    BREAK = "broken"
    OFFER = "offered"
    ESCALATE = "escalated"


@dataclass(frozen=True)
class Policy:
    """How one kind of clock runs. ``shares`` are (per cent, what happens), in order of time."""

    kind: ClockKind
    duration: Duration
    shares: tuple[tuple[int, ShareAct], ...]

    @property
    def function(self) -> TeamFunction:
        """Whose owner has to act."""
        return CLOCK_FUNCTION[self.kind]

    @property
    def is_elapsed(self) -> bool:
        """Whether the time is counted without a calendar."""
        return self.duration.kind is DurationKind.ELAPSED


@dataclass(frozen=True)
class ClockPolicies:
    """The parsed document."""

    policies: Mapping[str, Policy]

    def get(self, kind: ClockKind | str) -> Policy | None:
        """The policy of a kind, or None if its clocks are not run."""
        return self.policies.get(kind)


def parse_clocks(document: Any) -> ClockPolicies:
    """The typed policies of a document. Raises InvalidDocument naming every fault by its JSON path."""
    if (
        not isinstance(document, dict)
        or document.keys() != {"policies"}
        or not isinstance(document["policies"], list)
    ):
        raise InvalidDocument(_("Give the clocks as an object with a list of policies."))
    problems: list[FieldProblem] = []
    policies: dict[str, Policy] = {}
    for index, raw in enumerate(document["policies"]):
        policy = _read_policy(raw, f"policies[{index}]", problems)
        if policy is not None and policy.kind in policies:
            problems.append(path_problem(f"policies[{index}].kind", _("This clock stands here twice.")))
        elif policy is not None:
            policies[policy.kind] = policy
    if problems:
        raise InvalidDocument(_("The clocks have faults."), errors=problems)
    return ClockPolicies(policies)


def _read_policy(raw: Any, path: str, problems: list[FieldProblem]) -> Policy | None:
    if not isinstance(raw, dict) or raw.keys() != _POLICY_KEYS:
        problems.append(
            path_problem(path, _("Give a policy as an object of kind, duration, warn, offer and escalate."))
        )
        return None
    before = len(problems)
    if raw["kind"] not in ClockKind.values:
        message = _("Give one of %(kinds)s.") % {"kinds": ", ".join(ClockKind.values)}
        problems.append(path_problem(f"{path}.kind", message))
    duration = _read_duration(raw["duration"], f"{path}.duration", problems)
    shares = [(BREACH, ShareAct.BREAK)]
    shares += _read_warnings(raw["warn"], f"{path}.warn", problems)
    for key, act in (("offer", ShareAct.OFFER), ("escalate", ShareAct.ESCALATE)):
        if raw[key] is None:
            continue
        if not _is_share(raw[key], above=BREACH, below=MAX_SHARE + 1):
            message = _("Give a per cent from 101 to %(most)s, or null.") % {"most": MAX_SHARE}
            problems.append(path_problem(f"{path}.{key}", message))
        else:
            shares.append((raw[key], act))
    if len({percent for percent, _act in shares}) < len(shares):
        problems.append(path_problem(path, _("Give each share of the time once.")))
    if len(problems) > before or duration is None:
        return None
    return Policy(ClockKind(raw["kind"]), duration, tuple(sorted(shares)))


def _read_duration(raw: Any, path: str, problems: list[FieldProblem]) -> Duration | None:
    is_duration = (
        isinstance(raw, dict)
        and raw.keys() == {"kind", "amount"}
        and raw["kind"] in list(DurationKind)
        and isinstance(raw["amount"], int)
        and not isinstance(raw["amount"], bool)
    )
    if not is_duration:
        message = _("Give a duration: kind (elapsed, working_hours, working_days) and a whole amount.")
        problems.append(path_problem(path, message))
        return None
    try:
        return Duration(DurationKind(raw["kind"]), raw["amount"])
    except InvalidDuration as invalid:
        problems.append(path_problem(f"{path}.amount", str(invalid)))
        return None


def _read_warnings(raw: Any, path: str, problems: list[FieldProblem]) -> list[tuple[int, ShareAct]]:
    if (
        not isinstance(raw, list)
        or len(raw) > MAX_WARNINGS
        or not all(_is_share(each, above=0, below=BREACH) for each in raw)
    ):
        message = _("Give at most %(count)s per cents from 1 to 99.") % {"count": MAX_WARNINGS}
        problems.append(path_problem(path, message))
        return []
    return [(each, ShareAct.WARN) for each in raw]


def _is_share(raw: Any, *, above: int, below: int) -> bool:
    return isinstance(raw, int) and not isinstance(raw, bool) and above < raw < below


def duration_in_words(duration: Duration) -> str:
    """A duration as people write it: "2 working days", "1 working hour", "24 h"."""
    if duration.kind is DurationKind.WORKING_DAYS:
        return ngettext("%(count)s working day", "%(count)s working days", duration.amount) % {
            "count": duration.amount
        }
    if duration.kind is DurationKind.ELAPSED:
        hours, minutes = divmod(duration.amount, 60)
        return " ".join(part for part in (hours and f"{hours} h", minutes and f"{minutes} min") if part)
    if duration.amount % 60:
        return ngettext("%(count)s working minute", "%(count)s working minutes", duration.amount) % {
            "count": duration.amount
        }
    hours = duration.amount // 60
    return ngettext("%(count)s working hour", "%(count)s working hours", hours) % {"count": hours}

"""Rules of retention at work: set by an administrator, begun each night, done batch by batch by whichever worker is free.

How far a run has come is the row of its rule, written in the transaction of each batch: a worker that dies leaves it after the
last one.
"""

from calendar import monthrange
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import structlog
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core.bisection import run_bisected
from core.due import DueKind, cancel, register_due_kind, schedule
from core.nights import next_night
from leads.erasure.erasing import hold_people
from leads.listing import TookTooLong, limited_to
from leads.models import RetentionRule
from leads.retention.kinds import RetentionKind, get_kind, list_kinds
from tenancy.audit import record, register_acts
from tenancy.errors import FieldProblem, Invalid
from tenancy.models import Membership
from tenancy.rights import require

log = structlog.get_logger(__name__)

RUN_KIND: Final = "data.retention"
MOST_MONTHS: Final = 240
# For each rule, while somebody waits for the page.
COUNT_LIMIT_MS: Final = 5_000


class InvalidRetention(Invalid):
    """A number of months that a rule can't have."""


@dataclass(frozen=True)
class RuleState:
    """A rule as it stands: ``rule`` is None where it is off."""

    kind: RetentionKind
    rule: RetentionRule | None


def list_rules() -> list[RuleState]:
    """Every rule, on or off, in order."""
    rules = {rule.key: rule for rule in RetentionRule.objects.select_related("set_by")}
    return [RuleState(kind, rules.get(kind.key)) for kind in list_kinds()]


def count_would_take(*, key: str, months: int, now: datetime) -> int | None:
    """How many rows a rule would take now; None where counting takes longer than somebody waits."""
    try:
        with limited_to(COUNT_LIMIT_MS):
            return int(get_kind(key).find(months_before(now, months)).count())
    except TookTooLong:
        return None


def set_rules(*, months: Mapping[str, int | None], by: Membership, now: datetime) -> None:
    """Set rules by their keys: so many months, or None for off. Each change stands in the audit log.

    Raises NotAllowed, InvalidRetention naming each fault; then nothing is changed.
    """
    require(by, "data.retain")
    faults = [fault for key, wanted in months.items() if wanted is not None for fault in _faults(key, wanted)]
    if faults:
        raise InvalidRetention(_("Mend the numbers of months."), errors=faults)
    rules = {rule.key: rule for rule in RetentionRule.objects.select_for_update(of=("self",))}
    for key, wanted in months.items():
        before = rules[key].months if key in rules else None
        if wanted != before:
            _set_rule(get_kind(key), rules.get(key), wanted, by, now)
            record(
                act="retention.set" if wanted is not None else "retention.off",
                subject=str(get_kind(key).label),
                by=by,
                now=now,
                detail={"months": wanted, "before": before},
            )


def _faults(key: str, months: int) -> list[FieldProblem]:
    least = get_kind(key).least
    if least <= months <= MOST_MONTHS:
        return []
    words = _("Give a number of months between %(least)s and %(most)s.")
    return [FieldProblem(key, "range", words % {"least": least, "most": MOST_MONTHS})]


def _set_rule(
    kind: RetentionKind, rule: RetentionRule | None, months: int | None, by: Membership, now: datetime
) -> None:
    if months is None:
        assert rule is not None
        cancel(kind=RUN_KIND, subjects=[rule.pk])
        rule.delete()
        return
    rule = rule or RetentionRule(key=kind.key)
    rule.months, rule.set_at, rule.set_by = months, now, by
    # A run that is under way ends with the months with which it began to look: it is begun anew.
    rule.began_at, rule.position, rule.taken = None, 0, 0
    rule.save()
    schedule(kind=RUN_KIND, due={rule.pk: next_night(now)})


def months_before(instant: datetime, months: int) -> datetime:
    """The same day and time so many months earlier; the last day of a shorter month."""
    year, month = divmod(instant.year * 12 + instant.month - 1 - months, 12)
    day = min(instant.day, monthrange(year, month + 1)[1])
    return instant.replace(year=year, month=month + 1, day=day)


def advance_rule(*, rule_id: int, now: datetime) -> bool:
    """Do the next batch of a rule; whether there is more to do. Nothing if it is off, or somebody else is at it."""
    free = RetentionRule.objects.select_for_update(skip_locked=True, of=("self",))
    rule: RetentionRule | None = free.filter(pk=rule_id).first()
    if rule is None:
        return False
    kind = get_kind(rule.key)
    if rule.began_at is None:
        rule.began_at, rule.position, rule.taken = now, 0, 0
    rows = kind.find(months_before(rule.began_at, rule.months))
    keys = list(
        rows.filter(pk__gt=rule.position).order_by("pk").values_list("pk", flat=True)[: kind.batch_size]
    )
    if keys:
        rule.position = keys[-1]
        rule.taken += _take(kind, rule, keys, now)
    if len(keys) < kind.batch_size:
        _end(kind, rule, now)
    else:
        rule.save()
        schedule(kind=RUN_KIND, due={rule.pk: now})
    return rule.began_at is not None


def _take(kind: RetentionKind, rule: RetentionRule, keys: list[int], now: datetime) -> int:
    """Act on rows, those left out on which it can't be; returns how many were taken."""
    assert rule.began_at is not None
    if kind.erases:
        # Whom something happens to at this moment is waited for, and looked at again.
        hold_people(keys)
        still = kind.find(months_before(rule.began_at, rule.months)).filter(pk__in=keys)
        keys = list(still.order_by("pk").values_list("pk", flat=True))
    failed: list[int] = []

    def note(key: int, error: Exception) -> None:
        failed.append(key)
        # Somebody is named in the error, maybe: only its kind stands in the log.
        log.error("retention failed", rule=kind.key, row=key, error=type(error).__name__)

    run_bisected(keys, lambda some: kind.take(some, now), note)
    return len(keys) - len(failed)


def _end(kind: RetentionKind, rule: RetentionRule, now: datetime) -> None:
    rule.began_at, rule.last_at, rule.last_taken = None, now, rule.taken
    rule.save()
    schedule(kind=RUN_KIND, due={rule.pk: next_night(now)})
    if rule.taken:
        record(
            act="retention.erased" if kind.erases else "retention.deleted",
            subject=str(kind.label),
            by=None,
            now=now,
            detail={"rows": rule.taken, "months": rule.months},
        )


def _advance_due(rule_ids: Sequence[int], now: datetime) -> None:
    for rule_id in rule_ids:
        advance_rule(rule_id=rule_id, now=now)


def _lock_rules(rule_ids: Sequence[int]) -> list[int]:
    free = RetentionRule.objects.select_for_update(skip_locked=True, of=("self",)).filter(
        pk__in=list(rule_ids)
    )
    return list(free.values_list("pk", flat=True))


def register_retention_runs() -> None:
    """Let workers do what rules of retention say. Call it when the app is ready."""
    register_due_kind(DueKind(RUN_KIND, act=_advance_due, lock=_lock_rules, batch_size=1))
    register_acts(
        {
            "retention.set": gettext_lazy(
                "Set retention: %(subject)s, %(months)s months (before: %(before)s)"
            ),
            "retention.off": gettext_lazy("Switched retention off: %(subject)s (before: %(before)s months)"),
            "retention.erased": gettext_lazy(
                "Retention erased %(rows)s people: %(subject)s (%(months)s months)"
            ),
            "retention.deleted": gettext_lazy(
                "Retention took %(rows)s rows: %(subject)s (%(months)s months)"
            ),
        }
    )

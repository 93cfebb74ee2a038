"""The administrator's changes of the lists of reasons: each is a new version, published at once.

A reason keeps its key for good: moves, deals and files know it by it. So it is relabelled and retired, never renamed or deleted.
"""

import copy
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final, Literal

from django.utils.translation import gettext_lazy as _

from leads.capture.columns import make_field_name
from leads.document_changes import change_document, read_published
from leads.labels import Label
from leads.models import RuleKind, RuleVersion, Stage, VersionStatus
from leads.reasons import ReasonChoice, ReasonList, Reasons, default_reasons, parse_reasons
from leads.versions import parse_document
from tenancy.audit import record, register_acts
from tenancy.errors import Conflict, NotFound
from tenancy.models import Membership

MAX_KEY: Final = 64


class NoSuchReason(NotFound):
    """The list has no reason of this key."""


class LastReason(Conflict):
    """An act that asks for a reason needs one to offer."""


def read_lists() -> Reasons:
    """The lists as they are published now."""
    document = read_published(kind=RuleKind.REASONS, default=default_reasons())
    reasons: Reasons = parse_reasons(document)
    return reasons


def get_reason(*, which: ReasonList, key: str) -> ReasonChoice:
    """One reason, be it retired. Raises NoSuchReason."""
    found = next((choice for choice in read_lists().lists[which] if choice.key == key), None)
    if found is None:
        raise NoSuchReason(_("There is no such reason."))
    return found


def list_sequences() -> list[tuple[str, str]]:
    """Key and label of the published sequences."""
    rows = RuleVersion.objects.filter(kind=RuleKind.SEQUENCE, status=VersionStatus.PUBLISHED).order_by("name")
    return [
        (row.name, str(parse_document(kind=row.kind, document=row.document).label or row.name))
        for row in rows
    ]


def add_reason(
    *,
    which: ReasonList,
    label: Mapping[str, str],
    target: Stage,
    sequence: str | None,
    by: Membership | None,
    now: datetime,
) -> str:
    """Put a reason at the end of a list; returns its key, made from the label. Raises InvalidDocument."""
    taken = {choice.key for choice in read_lists().lists[which]}
    key = _free_key(next(iter(label.values()), ""), taken)

    def add(reasons: list[dict[str, Any]]) -> None:
        reasons.append({"key": key, "label": dict(label), "target": target.value, "sequence": sequence})

    _change(which, add, by=by, now=now)
    _record("reason.added", which, label, by, now, key=key)
    return key


def change_reason(
    *,
    which: ReasonList,
    key: str,
    label: Mapping[str, str],
    target: Stage,
    sequence: str | None,
    by: Membership | None,
    now: datetime,
) -> None:
    """Call a reason otherwise, or let it lead elsewhere from now on. Raises InvalidDocument, NoSuchReason."""

    def change(reasons: list[dict[str, Any]]) -> None:
        _find(reasons, key).update(label=dict(label), target=target.value, sequence=sequence)

    if _change(which, change, by=by, now=now):
        _record("reason.changed", which, label, by, now, key=key)


def move_reason(
    *, which: ReasonList, key: str, direction: Literal["up", "down"], by: Membership | None, now: datetime
) -> None:
    """Offer a reason before the one above it or after the one below it that is offered too. Raises NoSuchReason."""

    def move(reasons: list[dict[str, Any]]) -> None:
        reason = _find(reasons, key)
        offered = [each for each in reasons if not each.get("retired")]
        if reason not in offered:
            return
        place = offered.index(reason) + (-1 if direction == "up" else 1)
        if 0 <= place < len(offered):
            here, there = reasons.index(reason), reasons.index(offered[place])
            reasons[here], reasons[there] = reasons[there], reasons[here]

    reason = get_reason(which=which, key=key)
    if _change(which, move, by=by, now=now):
        _record("reason.moved", which, reason.label.as_json(), by, now, key=key)


def retire_reason(*, which: ReasonList, key: str, by: Membership | None, now: datetime) -> None:
    """Offer and take a reason no more. Raises LastReason for the only one that is left, NoSuchReason."""
    reasons = read_lists().lists[which]
    reason = get_reason(which=which, key=key)
    if [choice.key for choice in reasons if not choice.is_retired] == [key]:
        raise LastReason(_("This is the only reason left. Add another one first."))

    def retire(raw: list[dict[str, Any]]) -> None:
        _find(raw, key)["retired"] = True

    if _change(which, retire, by=by, now=now):
        _record("reason.retired", which, reason.label.as_json(), by, now, key=key)


def bring_back_reason(*, which: ReasonList, key: str, by: Membership | None, now: datetime) -> None:
    """Offer a retired reason again, where it stood. Raises NoSuchReason."""
    reason = get_reason(which=which, key=key)

    def bring_back(raw: list[dict[str, Any]]) -> None:
        _find(raw, key).pop("retired", None)

    if _change(which, bring_back, by=by, now=now):
        _record("reason.brought_back", which, reason.label.as_json(), by, now, key=key)


def _change(
    which: ReasonList,
    change: Callable[[list[dict[str, Any]]], None],
    *,
    by: Membership | None,
    now: datetime,
) -> bool:
    def changed(document: dict[str, Any]) -> dict[str, Any]:
        after = copy.deepcopy(document)
        change(after[which.value])
        return after

    version = change_document(
        kind=RuleKind.REASONS, change=changed, default=default_reasons(), by=by, now=now
    )
    return version is not None


def _find(reasons: list[dict[str, Any]], key: str) -> dict[str, Any]:
    for reason in reasons:
        if reason["key"] == key:
            return reason
    raise NoSuchReason(_("There is no such reason."))


def _free_key(label: str, taken: set[str]) -> str:
    stem = key = make_field_name(label)[:MAX_KEY]
    number = 1
    while key in taken:
        number += 1
        suffix = f"_{number}"
        key = stem[: MAX_KEY - len(suffix)] + suffix
    return key


def _record(
    act: str, which: ReasonList, label: Mapping[str, str], by: Membership | None, now: datetime, *, key: str
) -> None:
    words = str(Label(tuple(label.items())))
    record(act=act, subject=words, by=by, now=now, detail={"list": which.value, "key": key})


register_acts(
    {
        "reason.added": _("Added the reason %(subject)s (%(list)s: %(key)s)"),
        "reason.changed": _("Changed the reason %(subject)s (%(list)s: %(key)s)"),
        "reason.moved": _("Moved the reason %(subject)s (%(list)s: %(key)s)"),
        "reason.retired": _("Retired the reason %(subject)s (%(list)s: %(key)s)"),
        "reason.brought_back": _("Brought back the reason %(subject)s (%(list)s: %(key)s)"),
    }
)

"""What happened to a lead, newest first: events, moves, owners, attempts, touches, and what other apps register."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from leads.conditions.describe import inside_sentence, show_number
from leads.conditions.event_types import event_words
from leads.models import (
    ContactAttempt,
    Decision,
    DecisionKind,
    Event,
    MoveAct,
    Stage,
    StageChange,
    Submission,
    Touch,
)
from leads.ownership import OwnedBy
from leads.reasons import Reasons, published_reasons
from leads.versions import open_rulebook
from tenancy.components import Tone
from tenancy.models import TeamFunction

PAGE_SIZE: Final = 20
Text = str | Promise


@dataclass(frozen=True, kw_only=True)
class TimelineEntry:
    """One thing that happened. ``why`` is a part of the "why" panel that explains it, ``points`` what it did to the score."""

    at: datetime
    title: Text
    detail: Text = ""
    note: Text = ""
    points: Decimal | None = None
    why: str = ""
    why_label: Text = ""
    tone: Tone = "act"
    times: int = 1

    @property
    def badge(self) -> str:
        """The points with their sign: "+30", "−2.5"; nothing for none."""
        if not self.points:
            return ""
        return f"{'+' if self.points > 0 else '−'}{show_number(abs(self.points))}"

    @property
    def badge_tone(self) -> Tone:
        return "good" if self.points and self.points > 0 else "late"


# (lead id, before or None for the newest, at most so many) → entries, newest first.
TimelineSource = Callable[[int, datetime | None, int], Sequence[TimelineEntry]]


@dataclass(frozen=True)
class TimelinePage:
    """Entries, newest first; older ones begin before ``next_before``, None at the end."""

    entries: list[TimelineEntry]
    next_before: datetime | None


# (lead id, instants) → what each of the events that came in then added to the score, by the event's id.
PointsReader = Callable[[int, Iterable[datetime]], Mapping[int, Decimal]]

_sources: list[TimelineSource] = []
_points_reader: list[PointsReader] = []


def register_timeline_source(source: TimelineSource) -> None:
    """Say once, when an app is ready, what else happens to leads (messages sent, for one)."""
    if source not in _sources:
        _sources.append(source)


def register_points_reader(reader: PointsReader) -> None:
    """Say once, when an app is ready, how points come to events."""
    _points_reader[:] = [reader]


def list_timeline(*, lead_id: int, before: datetime | None = None, limit: int = PAGE_SIZE) -> TimelinePage:
    """A page of what happened to a lead. Things of one instant are never torn apart; repeated events are counted."""
    found: list[TimelineEntry] = []
    for source in (*_sources, _owners, _changes, _attempts, _events, _touches, _submissions):
        found.extend(source(lead_id, before, limit + 1))
    # Stable: of one instant the order of the sources stays, consequences before causes.
    found.sort(key=lambda entry: entry.at, reverse=True)
    end = limit
    while end < len(found) and found[end].at == found[end - 1].at:
        end += 1
    shown = found[:end]
    next_before = shown[-1].at if len(found) > end else None
    return TimelinePage(list(_counted(shown)), next_before)


def _counted(entries: Iterable[TimelineEntry]) -> Iterator[TimelineEntry]:
    """Neighbours that say the same on the same day become one."""
    last: TimelineEntry | None = None
    for entry in entries:
        if last is not None and _is_same(last, entry):
            last = replace(last, times=last.times + 1, points=_sum(last.points, entry.points))
            continue
        if last is not None:
            yield last
        last = entry
    if last is not None:
        yield last


def _sum(one: Decimal | None, other: Decimal | None) -> Decimal | None:
    return other if one is None else one if other is None else one + other


def _is_same(one: TimelineEntry, other: TimelineEntry) -> bool:
    days = {timezone.localtime(each.at).date() for each in (one, other)}
    return (
        len(days) == 1
        and not one.why
        and (one.title, one.detail, one.tone) == (other.title, other.detail, other.tone)
    )


def _before(rows: Any, field: str, before: datetime | None, limit: int) -> Any:
    if before is not None:
        rows = rows.filter(**{f"{field}__lt": before})
    return rows.order_by(f"-{field}", "-id")[:limit]


# Events ----------------------------------------------------------------------------------------------------------

# Of an event's properties, those that say what it was about, the best first.
_ABOUT: Final = (
    "title",
    "name",
    "form",
    "page",
    "path",
    "url",
    "content",
    "asset",
    "webinar",
    "subject",
    "campaign",
)


def _events(lead_id: int, before: datetime | None, limit: int) -> list[TimelineEntry]:
    columns = ("id", "type", "occurred_at", "received_at", "properties")
    rows = list(_before(Event.objects.filter(lead=lead_id), "occurred_at", before, limit).values(*columns))
    if not rows:
        return []
    points = _points_reader[0](lead_id, [row["received_at"] for row in rows]) if _points_reader else {}
    return [
        TimelineEntry(
            at=row["occurred_at"],
            title=event_words(row["type"], row["properties"]),
            detail=next((str(row["properties"][key]) for key in _ABOUT if row["properties"].get(key)), "")[
                :120
            ],
            points=points.get(row["id"]),
            tone="late" if row["type"] == "unsubscribed" else "act",
        )
        for row in rows
    ]


# Moves -----------------------------------------------------------------------------------------------------------

_MQL_ACTS: Final = frozenset({MoveAct.GATE, MoveAct.ASKED_FOR_CONTACT, MoveAct.PROMOTE})
_TITLES: Final[Mapping[str, Promise]] = {
    **dict.fromkeys(_MQL_ACTS, gettext_lazy("Became MQL")),
    MoveAct.ATTEMPT: gettext_lazy("Work on the lead began"),
}
_TONES: Final[Mapping[str, Tone]] = {
    MoveAct.WIN: "good",
    MoveAct.ACCEPT: "good",
    MoveAct.REJECT: "soon",
    MoveAct.RETURN: "soon",
    MoveAct.LOSE: "late",
    MoveAct.DISQUALIFY: "late",
}


def _changes(lead_id: int, before: datetime | None, limit: int) -> list[TimelineEntry]:
    rows = list(
        _before(StageChange.objects.filter(lead=lead_id), "at", before, limit).select_related("actor")
    )
    reasons = published_reasons(open_rulebook()) if any(row.reason for row in rows) else None
    return [_change(row, reasons) for row in rows]


def _change(row: StageChange, reasons: Reasons | None) -> TimelineEntry:
    act = MoveAct(row.act)
    title = _TITLES.get(act, act.label)
    parts = [
        f"{Stage(row.from_stage).label} → {Stage(row.to_stage).label}" if row.from_stage else "",
        reason_words(act=act, reason=row.reason, reasons=reasons),
        _("by %(name)s") % {"name": row.actor.name} if row.actor else "",
        f"“{row.note}”" if row.note else "",
    ]
    return TimelineEntry(
        at=row.at,
        title=title,
        detail=" · ".join(part for part in parts if part),
        why="stage" if act in _MQL_ACTS else "",
        tone=_TONES.get(act, "act"),
    )


def reason_words(*, act: MoveAct | str, reason: str, reasons: Reasons | None) -> str:
    """The reason of a move in the reader's language; by hand there is none but the note."""
    choice = reasons.find(act=act, reason=reason) if reasons and reason else None
    if choice is not None:
        return str(choice.label)
    itself = reason.replace(" ", "_")
    if itself in MoveAct.values:
        return inside_sentence(str(MoveAct(itself).label))
    return "" if reason in {"", "by_hand"} else reason.replace("_", " ")


# Owners ----------------------------------------------------------------------------------------------------------


def _owners(lead_id: int, before: datetime | None, limit: int) -> list[TimelineEntry]:
    decisions = Decision.objects.filter(lead=lead_id, kind=DecisionKind.OWNER)
    rows = _before(decisions, "at", before, limit).values("at", "topic", "result", "detail")
    return [_owner(row) for row in rows]


def _owner(row: Mapping[str, Any]) -> TimelineEntry:
    how, name, by = row["detail"].get("how"), row["result"], row["detail"].get("by") or ""
    function = TeamFunction(row["topic"]).label if row["topic"] in TeamFunction.values else ""
    words = {
        OwnedBy.CLAIM: _("%(name)s claimed the lead"),
        OwnedBy.CLAIM_LAPSED: _("The claim lapsed: free again"),
        OwnedBy.RELEASE: _("The claim was given back: free again"),
        OwnedBy.ATTEMPT: _("%(name)s took the lead by contacting it"),
        OwnedBy.ACCEPT: _("%(name)s took the lead by accepting it"),
        OwnedBy.ASSIGN: _("Assigned to %(name)s"),
    }
    is_by_person = how in set(OwnedBy)
    title = (
        words[OwnedBy(how)]
        if is_by_person
        else _("Routed to %(name)s")
        if name
        else _("Nobody was available")
    )
    return TimelineEntry(
        at=row["at"],
        title=title % {"name": name} if "%(name)s" in title else title,
        detail=" · ".join(
            part
            for part in (str(function), _("by %(name)s") % {"name": by} if by and by != name else "")
            if part
        ),
        why="" if is_by_person else "owner",
        why_label=_("why this person?") if name else "",
        tone="act" if name else "soon",
    )


# Attempts, touches, submissions -----------------------------------------------------------------------------------


def _attempts(lead_id: int, before: datetime | None, limit: int) -> list[TimelineEntry]:
    rows = _before(ContactAttempt.objects.filter(lead=lead_id), "at", before, limit).select_related("actor")
    return [
        TimelineEntry(
            at=row.at,
            title=f"{row.get_channel_display()}: {row.get_outcome_display().lower()}",
            detail=" · ".join(
                part
                for part in (row.actor.name if row.actor else "", f"“{row.note}”" if row.note else "")
                if part
            ),
            tone="good" if row.outcome == ContactAttempt.Outcome.REACHED else "quiet",
        )
        for row in rows
    ]


def _touches(lead_id: int, before: datetime | None, limit: int) -> list[TimelineEntry]:
    rows = _before(Touch.objects.filter(lead=lead_id), "at", before, limit)
    return [
        TimelineEntry(
            at=row.at,
            title=_("Came again from another source"),
            detail=" / ".join(
                part for part in (row.origin, row.medium, row.campaign, row.landing_page) if part
            ),
            tone="quiet",
        )
        for row in rows
    ]


def _submissions(lead_id: int, before: datetime | None, limit: int) -> list[TimelineEntry]:
    """What people typed in; what came by key shows in its events."""
    sources = [Submission.Source.FORM, Submission.Source.MANUAL]
    typed = Submission.objects.filter(lead=lead_id, source__in=sources)
    rows = _before(typed, "received_at", before, limit).select_related("form", "member")
    return [
        TimelineEntry(
            at=row.received_at,
            title=_("Sent the form “%(name)s”") % {"name": row.form.name}
            if row.form
            else _("Entered by hand"),
            detail=_("by %(name)s") % {"name": row.member.name} if row.member else "",
            tone="quiet",
        )
        for row in rows
    ]

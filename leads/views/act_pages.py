"""The acts on a lead as they are offered and asked for: words, stages, what each needs to know, how it is done."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from leads import acts
from leads.cards import LeadCard
from leads.forms import ActForm, AssignForm, AttemptForm, OverrideForm, ReasonForm, WinForm, WordsForm
from leads.lifecycle import MOVES
from leads.models import ContactAttempt, MoveAct, Stage
from leads.ownership import function_of, owner_id
from tenancy.models import MemberKind, Membership, Role

Text = str | Promise
Tone = Literal["primary", "success", "danger", "plain"]
# The same attempt sent twice within this time is one.
TWICE: Final = timedelta(seconds=10)

MQL, WORKING = Stage.MARKETING_QUALIFIED, Stage.WORKING


@dataclass(frozen=True)
class Doing:
    """An act being done: by whom, when, with what was typed."""

    lead_id: int
    by: Membership
    now: datetime
    data: Mapping[str, Any]

    def text(self, name: str) -> str:
        return str(self.data.get(name) or "")

    @property
    def common(self) -> dict[str, Any]:
        """What every act takes."""
        return {"lead_id": self.lead_id, "by": self.by, "now": self.now}


@dataclass(frozen=True)
class ActPage:
    """One act: its words, where it is possible, what it asks (``form``; None is one press), how it is done.

    ``run`` does it and returns what to say; ``undo`` names the act that takes it back on this lead, with its values.
    """

    name: str
    label: Text
    right: str
    stages: frozenset[Stage]
    form: Callable[[LeadCard, Any], ActForm] | None
    run: Callable[[Doing], Text]
    key: str
    icon: str
    submit: Text = ""
    tone: Tone = "plain"
    explanation: Text = ""
    undo: Callable[[LeadCard], tuple[str, dict[str, str]] | None] | None = None


def _with_reason(act: MoveAct) -> Callable[[LeadCard, Any], ActForm]:
    def build(card: LeadCard, data: Any) -> ActForm:
        return ReasonForm(data, reasons=card.reasons, act=act)

    return build


def _build_attempt(card: LeadCard, data: Any) -> ActForm:
    return AttemptForm(data)


def _build_words(card: LeadCard, data: Any) -> ActForm:
    return WordsForm(data)


def _build_hand_over(card: LeadCard, data: Any) -> ActForm:
    return OverrideForm(data) if card.missing else ActForm(data)


def _build_win(card: LeadCard, data: Any) -> ActForm:
    return WinForm(data, currency=card.lead.tenant.currency)


def _build_assign(card: LeadCard, data: Any) -> ActForm:
    return AssignForm(data, people=list_assignable(stage=card.stage))


def list_assignable(*, stage: Stage) -> list[Membership]:
    """The people who may own a lead in this stage, by name."""
    function = function_of(stage)
    if function is None:
        return []
    people = Membership.objects.filter(kind=MemberKind.PERSON, is_active=True)
    by_role = [people.filter(roles__contains=[role]) for role in (function.value, Role.ADMIN.value)]
    return sorted(
        {person for group in by_role for person in group}, key=lambda person: person.name.casefold()
    )


def _does(act: Callable[..., object], *fields: str, says: Text) -> Callable[[Doing], Text]:
    """Do an act with these of the typed fields, then say this."""

    def run(doing: Doing) -> Text:
        act(**doing.common, **{name: doing.text(name) for name in fields})
        return says

    return run


def _run_attempt(doing: Doing) -> Text:
    twin = ContactAttempt.objects.filter(
        lead=doing.lead_id,
        actor=doing.by,
        at__gt=doing.now - TWICE,
        channel=doing.text("channel"),
        outcome=doing.text("outcome"),
        note=doing.text("note").strip(),
    )
    if not twin.exists():
        acts.log_attempt(
            **doing.common,
            channel=doing.text("channel"),
            outcome=doing.text("outcome"),
            note=doing.text("note"),
        )
    return _("Attempt logged: %(outcome)s") % {"outcome": ContactAttempt.Outcome(doing.text("outcome")).label}


def _run_claim(doing: Doing) -> Text:
    until = acts.claim(**doing.common)
    minutes = max(0, round((until - doing.now).total_seconds() / 60))
    return _("The lead is yours for %(minutes)s minutes; your first act keeps it.") % {"minutes": minutes}


def _run_assign(doing: Doing) -> Text:
    member = acts.assign(**doing.common, user=doing.text("user"))
    return _("%(name)s has the lead now.") % {"name": member.name}


def _undo_claim(card: LeadCard) -> tuple[str, dict[str, str]] | None:
    return None if card.is_mine else ("release", {})


def _undo_assign(card: LeadCard) -> tuple[str, dict[str, str]] | None:
    """Back to who had the lead; a claim that was broken off or a lead that nobody had is not brought back like that."""
    function = function_of(card.stage)
    owner = owner_id(card.standing, function) if function else None
    return ("assign", {"user": str(owner)}) if owner and not card.standing.claimed_until else None


# In the order of the buttons: the first one that is possible is the next act.
ACT_PAGES: Final[dict[str, ActPage]] = {
    page.name: page
    for page in (
        ActPage(
            name="attempt",
            label=gettext_lazy("Log a call"),
            right="lead.qualify",
            stages=frozenset({MQL, WORKING}),
            form=_build_attempt,
            run=_run_attempt,
            key="c",
            icon="phone-call",
            submit=gettext_lazy("Log it"),
            tone="primary",
        ),
        ActPage(
            name="hand-over",
            label=gettext_lazy("Hand over to sales"),
            right="lead.qualify",
            stages=frozenset({MQL, WORKING}),
            form=_build_hand_over,
            run=_does(acts.hand_over, "override_reason", says=gettext_lazy("Handed over to sales.")),
            key="h",
            icon="arrow-forward-up",
            submit=gettext_lazy("Hand over"),
            tone="success",
        ),
        ActPage(
            name="accept",
            label=gettext_lazy("Accept"),
            right="lead.sell",
            stages=MOVES[MoveAct.ACCEPT][0],
            form=None,
            run=_does(acts.accept, says=gettext_lazy("Accepted: it is an opportunity now.")),
            key="a",
            icon="check",
            tone="primary",
        ),
        ActPage(
            name="reject",
            label=gettext_lazy("Reject"),
            right="lead.sell",
            stages=MOVES[MoveAct.REJECT][0],
            form=_with_reason(MoveAct.REJECT),
            run=_does(
                acts.reject,
                "reason",
                "note",
                says=gettext_lazy("Rejected. The SDR and marketing are told why."),
            ),
            key="r",
            icon="x",
            submit=gettext_lazy("Reject"),
            explanation=gettext_lazy("The SDR and marketing see the reason."),
        ),
        ActPage(
            name="win",
            label=pgettext_lazy("act on an opportunity", "Win"),
            right="lead.sell",
            stages=MOVES[MoveAct.WIN][0],
            form=_build_win,
            run=_does(acts.win, "amount", "currency", says=gettext_lazy("Won. Congratulations!")),
            key="w",
            icon="trophy",
            submit=gettext_lazy("It is won"),
            tone="primary",
        ),
        ActPage(
            name="lose",
            label=pgettext_lazy("act on an opportunity", "Lose"),
            right="lead.sell",
            stages=MOVES[MoveAct.LOSE][0],
            form=_with_reason(MoveAct.LOSE),
            run=_does(acts.lose, "reason", "note", says=gettext_lazy("Lost, with its reason.")),
            key="l",
            icon="mood-sad",
            submit=gettext_lazy("It is lost"),
        ),
        ActPage(
            name="promote",
            label=gettext_lazy("Promote to MQL"),
            right="lead.move",
            stages=MOVES[MoveAct.PROMOTE][0],
            form=_build_words,
            run=_does(acts.promote, "reason", says=gettext_lazy("Promoted to MQL.")),
            key="p",
            icon="stairs-up",
            submit=gettext_lazy("Promote"),
            tone="primary",
        ),
        ActPage(
            name="reopen",
            label=gettext_lazy("Reopen"),
            right="lead.move",
            stages=MOVES[MoveAct.REOPEN][0],
            form=_build_words,
            run=_does(acts.reopen, "reason", says=gettext_lazy("Reopened as new.")),
            key="o",
            icon="recycle",
            submit=gettext_lazy("Reopen"),
            tone="primary",
        ),
        ActPage(
            name="claim",
            label=gettext_lazy("Claim"),
            right="queue.work",
            stages=frozenset({MQL, WORKING}),
            form=None,
            run=_run_claim,
            key="x",
            icon="hand-stop",
            undo=_undo_claim,
        ),
        ActPage(
            name="release",
            label=gettext_lazy("Give back"),
            right="queue.work",
            stages=frozenset({MQL, WORKING}),
            form=None,
            run=_does(acts.release, says=gettext_lazy("Given back: whoever is free may take it.")),
            key="x",
            icon="arrow-back-up",
        ),
        ActPage(
            name="nurture",
            label=gettext_lazy("Nurture"),
            right="lead.move",
            stages=MOVES[MoveAct.NURTURE][0],
            form=_with_reason(MoveAct.NURTURE),
            run=_does(acts.nurture, "reason", "note", says=gettext_lazy("Sent to nurture.")),
            key="n",
            icon="recycle",
            submit=gettext_lazy("Send to nurture"),
        ),
        ActPage(
            name="disqualify",
            label=gettext_lazy("Disqualify"),
            right="lead.move",
            stages=MOVES[MoveAct.DISQUALIFY][0],
            form=_with_reason(MoveAct.DISQUALIFY),
            run=_does(acts.disqualify, "reason", "note", says=gettext_lazy("Disqualified.")),
            key="d",
            icon="ban",
            submit=gettext_lazy("Disqualify"),
            tone="danger",
        ),
        ActPage(
            name="assign",
            label=gettext_lazy("Assign"),
            right="lead.assign",
            stages=frozenset(stage for stage in Stage if function_of(stage) is not None),
            form=_build_assign,
            run=_run_assign,
            key="s",
            icon="user-check",
            submit=gettext_lazy("Assign"),
            undo=_undo_assign,
        ),
    )
}

"""The hub's acts on many leads: tags, the owner, to nurture, out. Each does in statements what the act on one lead does."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core.due import cancel
from leads.acts.moving import WITH_SALES
from leads.acts.opening import CLAIM_LAPSES, OpenLead
from leads.acts.selling import close_opportunity
from leads.bulk.kinds import (
    SAME,
    Batch,
    BulkAct,
    BulkField,
    Result,
    Values,
    applied,
    refused,
    register_bulk_act,
)
from leads.capture.fields import MAX_TAG, MAX_TAGS
from leads.lifecycle import Move, MoveNotAllowed, check_move, move_leads
from leads.models import (
    Handover,
    HandoverAnswer,
    LeadState,
    LeadTag,
    MoveAct,
    OpportunityOutcome,
    Stage,
)
from leads.ownership import OwnedBy, function_of, give_leads, owner_id, put_owners_back
from leads.reasons import published_reasons
from leads.versions import open_rulebook
from tenancy.members import functions_of
from tenancy.models import MemberKind, Membership, Role

ADD_TAG: Final = "add_tag"
REMOVE_TAG: Final = "remove_tag"
ASSIGN: Final = "assign"
NURTURE: Final = "nurture"
DISQUALIFY: Final = "disqualify"


def make_theirs(states: Iterable[LeadState], batch: Batch) -> None:
    """What every act of a person does to a lead: one that only files told of is a lead like any other, a claim is kept."""
    acted = [state.pk for state in states]
    LeadState.objects.filter(pk__in=acted, live_since__isnull=True).update(live_since=batch.now)
    claimed = list(
        LeadState.objects.filter(pk__in=acted, claimed_until__isnull=False).values_list("pk", flat=True)
    )
    if claimed:
        LeadState.objects.filter(pk__in=claimed).update(claimed_until=None)
        cancel(kind=CLAIM_LAPSES, subjects=claimed)


def _add_tag(batch: Batch) -> dict[int, Result]:
    return _put_tag(batch, batch.lead_ids)


def _put_tag(batch: Batch, lead_ids: list[int]) -> dict[int, Result]:
    tag = batch.values["tag"]
    tags: dict[int, set[str]] = {lead_id: set() for lead_id in lead_ids}
    for lead_id, present in LeadTag.objects.filter(lead__in=lead_ids).values_list("lead", "tag"):
        tags[lead_id].add(present)
    results: dict[int, Result] = {}
    for lead_id, present in tags.items():
        if tag in present:
            results[lead_id] = SAME
        elif len(present) >= MAX_TAGS:
            results[lead_id] = refused(_("It has %(most)s tags already.") % {"most": MAX_TAGS})
        else:
            results[lead_id] = applied()
    LeadTag.objects.bulk_create(
        LeadTag(lead_id=lead_id, tag=tag) for lead_id, result in results.items() if result == applied()
    )
    return results


def _remove_tag(batch: Batch) -> dict[int, Result]:
    tagged = LeadTag.objects.filter(lead__in=batch.lead_ids, tag=batch.values["tag"])
    had = set(tagged.values_list("lead", flat=True))
    tagged.delete()
    return {lead_id: applied() if lead_id in had else SAME for lead_id in batch.lead_ids}


def _assign(batch: Batch) -> dict[int, Result]:
    member = Membership.objects.select_related("user").filter(pk=int(batch.values["user"])).first()
    if member is None or not member.is_active:
        return dict.fromkeys(batch.lead_ids, refused(_("This person has left.")))
    works_in = functions_of(member)
    results: dict[int, Result] = {}
    given: list[LeadState] = []
    for lead_id, state in batch.states.items():
        function = function_of(state.stage)
        if function is None:
            results[lead_id] = refused(_("Nobody holds a disqualified lead."))
        elif function not in works_in and Role.ADMIN not in member.roles:
            words = _("%(name)s does not work in %(function)s, which holds this stage.")
            results[lead_id] = refused(words % {"name": member.name, "function": function.label})
        elif owner_id(state, function) == member.pk:
            results[lead_id] = SAME
        else:
            given.append(state)
    before = give_leads(states=given, to=member, how=OwnedBy.ASSIGN, by=batch.by, now=batch.now)
    make_theirs(given, batch)
    return results | {lead_id: applied(was) for lead_id, was in before.items()}


def _unassign(batch: Batch) -> dict[int, Result]:
    """Give the leads back to whom they belonged, unless somebody else has been given them since."""
    back = put_owners_back(
        states=list(batch.states.values()),
        before=batch.before,
        given_to=int(batch.values["user"]),
        by=batch.by,
        now=batch.now,
    )
    changed = refused(_("It has been given to somebody else, or moved on, since."))
    return {lead_id: applied() if lead_id in back else changed for lead_id in batch.lead_ids}


def _nurture(batch: Batch) -> dict[int, Result]:
    return _take_out(batch, MoveAct.NURTURE, HandoverAnswer.RETURNED)


def _disqualify(batch: Batch) -> dict[int, Result]:
    return _take_out(batch, MoveAct.DISQUALIFY, HandoverAnswer.WITHDRAWN)


def _take_out(batch: Batch, wanted: MoveAct, answer: HandoverAnswer) -> dict[int, Result]:
    """Move the leads by an act; an offer to sales is answered, an opportunity is lost, as by the act on one lead."""
    reason, note = batch.values["reason"], batch.values.get("note", "")
    reasons = published_reasons(batch.rules)
    results: dict[int, Result] = {}
    moves: list[Move] = []
    for lead_id, state in batch.states.items():
        stage = Stage(state.stage)
        is_returned = wanted is MoveAct.NURTURE and stage in WITH_SALES
        act = MoveAct.RETURN if is_returned else wanted
        try:
            check_move(stage=stage, act=act)
        except MoveNotAllowed as problem:
            results[lead_id] = refused(problem.detail)
            continue
        target = reasons.require(act=act, reason=reason).target
        moves.append(Move(lead_id, stage, target, act, reason=reason, note=note, actor_id=batch.by.pk))
    with_sales = [move.lead_id for move in moves if move.from_stage in WITH_SALES]
    if with_sales:
        Handover.objects.filter(lead__in=with_sales, answer__isnull=True).update(
            answer=answer, answered_at=batch.now, answered_by=batch.by, reason=reason
        )
    for move in moves:
        if move.from_stage == Stage.OPPORTUNITY:
            state = batch.states[move.lead_id]
            held = OpenLead(state.lead, state, batch.by, batch.now)
            close_opportunity(held, OpportunityOutcome.LOST, reason=reason)
    moved = move_leads(moves=moves, now=batch.now)
    make_theirs((batch.states[lead_id] for lead_id in moved), batch)
    return results | dict.fromkeys(moved, applied())


def _reason_choices(act: MoveAct) -> Any:
    def choices() -> list[tuple[str, str | Promise]]:
        return [(each.key, str(each.label)) for each in published_reasons(open_rulebook()).choices(act)]

    return choices


def _people() -> list[tuple[str, str | Promise]]:
    people = Membership.objects.filter(kind=MemberKind.PERSON, is_active=True).order_by("name", "pk")
    return [(str(pk), name) for pk, name in people.values_list("pk", "name")]


def _name_of(values: Values) -> str:
    found = Membership.objects.filter(pk=int(values["user"])).values_list("name", flat=True).first()
    return found or "—"


def _reason_label(act: MoveAct, values: Mapping[str, Any]) -> str:
    choice = published_reasons(open_rulebook()).find(act=act, reason=values["reason"])
    return str(choice.label) if choice else str(values["reason"])


_TAG: Final = BulkField(name="tag", label=gettext_lazy("Tag"), most=MAX_TAG)
_NOTE: Final = BulkField(name="note", label=gettext_lazy("Note"), is_required=False, is_long=True)


def register_hub_bulk_acts() -> None:
    """Make the hub's acts known; called once, when the app is ready."""
    for act in (
        BulkAct(
            key=ADD_TAG,
            label=gettext_lazy("Add a tag"),
            icon="tag",
            right="lead.edit",
            order=10,
            fields=[_TAG],
            run=_add_tag,
            undo=_remove_tag,
            words=lambda values: _("Add the tag “%(tag)s”") % {"tag": values["tag"]},
            needs_hands=False,
        ),
        BulkAct(
            key=REMOVE_TAG,
            label=gettext_lazy("Remove a tag"),
            icon="tags",
            right="lead.edit",
            order=20,
            fields=[_TAG],
            run=_remove_tag,
            undo=_add_tag,
            words=lambda values: _("Remove the tag “%(tag)s”") % {"tag": values["tag"]},
            needs_hands=False,
        ),
        BulkAct(
            key=ASSIGN,
            label=gettext_lazy("Assign"),
            icon="user-check",
            right="lead.assign",
            order=30,
            fields=[BulkField(name="user", label=gettext_lazy("Owner"), choices=_people)],
            run=_assign,
            undo=_unassign,
            words=lambda values: _("Assign to %(name)s") % {"name": _name_of(values)},
        ),
        BulkAct(
            key=NURTURE,
            label=gettext_lazy("Move to nurture"),
            icon="recycle",
            right="lead.move",
            order=40,
            fields=[
                BulkField(
                    name="reason", label=gettext_lazy("Reason"), choices=_reason_choices(MoveAct.NURTURE)
                ),
                _NOTE,
            ],
            run=_nurture,
            words=lambda values: (
                _("Move to nurture: %(reason)s") % {"reason": _reason_label(MoveAct.NURTURE, values)}
            ),
        ),
        BulkAct(
            key=DISQUALIFY,
            label=gettext_lazy("Disqualify"),
            icon="ban",
            right="lead.move",
            order=50,
            fields=[
                BulkField(
                    name="reason", label=gettext_lazy("Reason"), choices=_reason_choices(MoveAct.DISQUALIFY)
                ),
                _NOTE,
            ],
            run=_disqualify,
            words=lambda values: (
                _("Disqualify: %(reason)s") % {"reason": _reason_label(MoveAct.DISQUALIFY, values)}
            ),
        ),
    ):
        register_bulk_act(act)

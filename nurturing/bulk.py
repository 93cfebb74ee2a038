"""Into a sequence and out of it, for many leads at once."""

from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from leads.bulk.acts import make_theirs
from leads.bulk.kinds import SAME, Batch, BulkAct, BulkField, Result, applied, refused, register_bulk_act
from leads.models import RuleKind, RuleVersion, Stage, VersionStatus
from leads.versions import open_rulebook
from nurturing.enrollments import NewEnrollment, enroll, exit_early
from nurturing.leaving import NURTURED_STAGES, Inside
from nurturing.models import Enrollment, EnrollmentState, ExitReason
from nurturing.refusals import list_refusals

ENROLL: Final = "enroll"
EXIT: Final = "exit_sequence"


def _enroll(batch: Batch) -> dict[int, Result]:
    published = batch.rules.get(RuleKind.SEQUENCE, batch.values["sequence"])
    if published is None:
        return dict.fromkeys(batch.lead_ids, refused(_("There is no such sequence.")))
    refusals = list_refusals(lead_ids=batch.lead_ids, purpose=published.rules.purpose)
    results: dict[int, Result] = {}
    new: list[NewEnrollment] = []
    for lead_id, state in batch.states.items():
        if state.stage not in NURTURED_STAGES:
            message = _("A lead can enter a sequence in New or Nurture; this one is in %(stage)s.")
            results[lead_id] = refused(message % {"stage": Stage(state.stage).label})
        elif (refusal := refusals.get(lead_id)) is not None:
            results[lead_id] = refused(_("No mail can be sent: %(why)s.") % {"why": refusal.label})
        else:
            new.append(NewEnrollment(lead_id, published, member_id=batch.by.pk))
    entered = enroll(new=new, now=batch.now)
    for each in new:
        results[each.lead_id] = applied() if each.lead_id in entered else SAME
    make_theirs((batch.states[lead_id] for lead_id in entered), batch)
    return results


def _exit(batch: Batch) -> dict[int, Result]:
    active = list(
        Enrollment.objects.filter(
            lead__in=batch.lead_ids, sequence=batch.values["sequence"], state=EnrollmentState.ACTIVE
        )
    )
    exits = [
        Inside(
            each.pk,
            each.lead_id,
            each.sequence,
            each.version_id,
            each.purpose,
            batch.states[each.lead_id].stage,
        ).exit_by(ExitReason.BY_HAND, by_id=batch.by.pk)
        for each in active
    ]
    exit_early(exits=exits, now=batch.now)
    left = {each.lead_id for each in active}
    make_theirs((batch.states[lead_id] for lead_id in left), batch)
    return {lead_id: applied() if lead_id in left else SAME for lead_id in batch.lead_ids}


def _sequences() -> list[tuple[str, str | Promise]]:
    rules = open_rulebook()
    keys = RuleVersion.objects.filter(kind=RuleKind.SEQUENCE, status=VersionStatus.PUBLISHED).order_by("name")
    return [
        (key, str(published.rules.label))
        for key in keys.values_list("name", flat=True)
        if (published := rules.get(RuleKind.SEQUENCE, key)) is not None
    ]


def _label(key: str) -> str:
    return dict(_sequences()).get(key, key)  # type: ignore[return-value]


def register_bulk_acts() -> None:
    """Make the acts known; called once, when the app is ready."""
    field = BulkField(name="sequence", label=gettext_lazy("Sequence"), choices=_sequences)
    register_bulk_act(
        BulkAct(
            key=ENROLL,
            label=gettext_lazy("Enrol in a sequence"),
            icon="mail-forward",
            right="lead.enroll",
            order=60,
            fields=[field],
            run=_enroll,
            words=lambda values: _("Enrol in “%(sequence)s”") % {"sequence": _label(values["sequence"])},
        )
    )
    register_bulk_act(
        BulkAct(
            key=EXIT,
            label=gettext_lazy("Take out of a sequence"),
            icon="mail-off",
            right="lead.enroll",
            order=70,
            fields=[field],
            run=_exit,
            words=lambda values: _("Take out of “%(sequence)s”") % {"sequence": _label(values["sequence"])},
        )
    )

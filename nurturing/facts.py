"""Nurturing's facts for the condition language."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Final

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import BooleanField, DateTimeField, Exists, F, Max, OuterRef, Subquery, TextField
from django.utils.translation import gettext_lazy as _

from leads.conditions.facts import LEAD, Choice, Fact, Rows, Vocabulary
from leads.conditions.logic import Fragment
from leads.conditions.operators import FactType
from nurturing.models import Enrollment, EnrollmentState, Message, MessageState, Suppression
from nurturing.selectors import list_sequences

NURTURE: Final = _("Nurture")
_LEFT: Final = (MessageState.SENT, MessageState.KEPT)


def register_nurturing_facts(vocabulary: Vocabulary = LEAD) -> None:
    """Make nurturing's facts known; called once, when the app is ready."""
    for fact in (*_enrollment_facts(), *_message_facts()):
        vocabulary.register(fact)


def _enrollment_facts() -> Iterable[Fact]:
    active = Rows(partial(_enrollments, EnrollmentState.ACTIVE), "sequence")
    finished = Rows(partial(_enrollments, EnrollmentState.FINISHED), "sequence")
    yield Fact(
        key="in_sequence",
        label=_("In a sequence"),
        group=NURTURE,
        type=FactType.BOOLEAN,
        expression=lambda: Exists(active.of_lead()),
        is_always_known=True,
    )
    yield _sequence_fact("sequences", _("Sequences it is in"), active)
    yield _sequence_fact("sequences_finished", _("Sequences it has finished"), finished)
    yield Fact(
        key="enrolled_at",
        label=_("Last entered a sequence"),
        group=NURTURE,
        type=FactType.DATETIME,
        expression=partial(F, "standing__enrolled_at"),
    )


def _sequence_fact(key: str, label: Any, rows: Rows) -> Fact:
    return Fact(
        key=key,
        label=label,
        group=NURTURE,
        type=FactType.TAGS,
        expression=_sorted_keys(rows),
        rows=rows,
        choices=_sequence_choices,
        is_always_known=True,
    )


def _sorted_keys(rows: Rows) -> Callable[[], Any]:
    return lambda: ArraySubquery(rows.of_lead().order_by("sequence").values("sequence").distinct())


def _enrollments(state: EnrollmentState) -> Any:
    return Enrollment.objects.filter(state=state)


def _sequence_choices() -> list[Choice]:
    return [Choice(sequence.key, str(sequence.label)) for sequence in list_sequences()]


def _message_facts() -> Iterable[Fact]:
    yield Fact(
        key="email_suppressed",
        label=_("Its address gets no mail"),
        group=NURTURE,
        type=FactType.BOOLEAN,
        expression=_is_suppressed,
    )
    yield Fact(
        key="last_message_at",
        label=_("Last message to it"),
        group=NURTURE,
        type=FactType.DATETIME,
        expression=_last_message_at,
    )


def _is_suppressed() -> Fragment:
    """Unknown without an e-mail."""
    email_hash = Fragment(
        "encode(sha256(convert_to({}, 'UTF8')), 'hex')", OuterRef("email"), output_field=TextField()
    )
    suppressed = Exists(Suppression.objects.filter(email_hash=email_hash))
    return Fragment(
        "CASE WHEN {} IS NOT NULL THEN {} END", F("email"), suppressed, output_field=BooleanField(null=True)
    )


def _last_message_at() -> Subquery:
    left = Message.objects.filter(lead=OuterRef("pk"), state__in=_LEFT).order_by().values("lead")
    newest = left.annotate(newest=Max("ended_at")).values("newest")
    return Subquery(newest, output_field=DateTimeField(null=True))

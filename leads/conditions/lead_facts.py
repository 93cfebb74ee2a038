"""The hub's own facts about a lead."""

import re
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import BigIntegerField, BooleanField, F, Subquery, TextField
from django.utils.functional import lazy
from django.utils.text import format_lazy
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from leads.conditions.facts import LEAD, Choice, Fact, Rows, Vocabulary
from leads.conditions.logic import Bind, Compare, Fragment
from leads.conditions.operators import FactType, Label
from leads.models import (
    FORWARD_STAGES,
    Answer,
    CaptureForm,
    Consent,
    CustomField,
    CustomType,
    CustomValue,
    EmailKind,
    LeadTag,
    Origin,
    RuleKind,
    RuleVersion,
    Seniority,
    Stage,
    VersionStatus,
)
from leads.models.lead import Grade
from tenancy.models import MemberKind, Membership

PERSON, COMPANY, SOURCE, STANDING, BEHAVIOUR, QUALIFICATION, CONSENT, OWN_FIELDS = (
    _("Person"),
    _("Company"),
    _("Source"),
    _("Standing"),
    _("Behaviour"),
    _("Qualification"),
    _("Consent"),
    _("Own fields"),
)
MILLIONTHS = 1_000_000
MINOR_UNITS = 100

_PURPOSE = re.compile(r"[a-z0-9_-]{1,64}")
_QUESTION = re.compile(r"([a-z0-9_]{1,32})\.([a-z0-9_]{1,32})")


def fold_origin(text: str) -> str:
    """An origin as leads carry it: trimmed, case-folded, spaces and hyphens to ``_`` (CONTRACT.md §2)."""
    return re.sub(r"[\s-]+", "_", text.strip().casefold())


def register_lead_facts(vocabulary: Vocabulary = LEAD) -> None:
    """Make the hub's facts about a lead known; called once, when the app is ready."""
    for fact in (*_person(), *_company(), *_source(), *_standing(), *_behaviour()):
        vocabulary.register(fact)
    for family in (AnswerFacts(), ConsentFacts(), CustomFacts()):
        vocabulary.register_family(family)


def _column(
    key: str, label: Label, group: Label, path: str, type_: FactType = FactType.TEXT, **more: Any
) -> Fact:
    """A fact that is a column of the lead or of a row it refers to."""
    return Fact(key=key, label=label, group=group, type=type_, expression=partial(F, path), **more)


def _choices(pairs: Iterable[tuple[Any, Label]]) -> Callable[[], list[Choice]]:
    fixed = [Choice(value, label) for value, label in pairs]
    return lambda: fixed


def _person() -> list[Fact]:
    return [
        _column("email", _("E-mail"), PERSON, "email", normalise=str.lower, is_fast=True),
        _column(
            "email_kind",
            _("Kind of e-mail"),
            PERSON,
            "email_kind",
            FactType.CHOICE,
            choices=_choices(EmailKind.choices),
        ),
        _column("name", _("Name"), PERSON, "name"),
        _column("first_name", _("First name"), PERSON, "first_name"),
        _column("last_name", _("Last name"), PERSON, "last_name"),
        _column("phone", _("Phone"), PERSON, "phone"),
        _column("job_title", _("Job title"), PERSON, "job_title"),
        _column(
            "seniority",
            _("Seniority"),
            PERSON,
            "seniority",
            FactType.CHOICE,
            choices=_choices(Seniority.choices),
            suggests_choices=True,
        ),
        _column("country", _("Country"), PERSON, "country", normalise=str.upper),
        _column("state", _("State"), PERSON, "state"),
        _column("city", _("City"), PERSON, "city"),
        _column("postal_code", _("Postal code"), PERSON, "postal_code"),
        _column("language", _("Language"), PERSON, "language"),
        _column("time_zone", _("Time zone"), PERSON, "time_zone"),
        _column("external_id", _("External id"), PERSON, "external_id", is_fast=True),
    ]


def _company() -> list[Fact]:
    return [
        _column("company", _("Company name"), COMPANY, "company__name"),
        _column("company_domain", _("Company domain"), COMPANY, "company__domain", normalise=str.lower),
        _column("company_size", _("Company size"), COMPANY, "company__size", FactType.INTEGER),
        _column(
            "company_revenue",
            _("Company revenue"),
            COMPANY,
            "company__revenue_minor",
            FactType.MONEY,
            scale=MINOR_UNITS,
        ),
        _column("industry", _("Industry"), COMPANY, "company__industry"),
        _column(
            "cnpj", _("CNPJ"), COMPANY, "company__cnpj", normalise=lambda text: re.sub(r"[./\s-]", "", text)
        ),
    ]


def _source() -> list[Fact]:
    return [
        _column(
            "origin",
            _("Origin"),
            SOURCE,
            "origin",
            FactType.CHOICE,
            choices=_origins,
            suggests_choices=True,
            normalise=fold_origin,
            is_fast=True,
        ),
        _column("campaign", _("Campaign"), SOURCE, "campaign"),
        _column("medium", _("Medium"), SOURCE, "medium"),
        _column("landing_page", _("Landing page"), SOURCE, "landing_page"),
        _column(
            "created_at",
            _("Created"),
            SOURCE,
            "created_at",
            FactType.DATETIME,
            is_fast=True,
            is_always_known=True,
        ),
    ]


def _standing() -> list[Fact]:
    return [
        _column(
            "score",
            _("Score"),
            STANDING,
            "standing__score",
            FactType.INTEGER,
            is_fast=True,
            is_always_known=True,
        ),
        _column(
            "grade",
            _("Grade"),
            STANDING,
            "standing__grade",
            FactType.GRADE,
            choices=_choices((grade.label, grade.label) for grade in reversed(Grade)),
            is_fast=True,
            is_always_known=True,
        ),
        _column(
            "stage",
            _("Stage"),
            STANDING,
            "standing__stage",
            FactType.STAGE,
            choices=_choices(Stage.choices),
            is_fast=True,
            is_always_known=True,
        ),
        Fact(
            key="furthest_stage",
            label=_("Furthest stage"),
            group=STANDING,
            type=FactType.STAGE,
            expression=_furthest_stage,
            choices=_choices((stage.value, stage.label) for stage in FORWARD_STAGES),
            is_always_known=True,
        ),
        _column("stage_at", _("In this stage since"), STANDING, "standing__stage_at", FactType.DATETIME),
        Fact(
            key="tags",
            label=_("Tags"),
            group=STANDING,
            type=FactType.TAGS,
            expression=lambda: ArraySubquery(_TAGS.of_lead().order_by("tag").values("tag")),
            rows=_TAGS,
            is_fast=True,
            is_always_known=True,
        ),
        _column(
            "owner_sdr",
            _("SDR"),
            STANDING,
            "standing__owner_sdr",
            FactType.MEMBER,
            choices=_members,
            is_fast=True,
        ),
        _column(
            "owner_sales",
            _("Sales rep"),
            STANDING,
            "standing__owner_sales",
            FactType.MEMBER,
            choices=_members,
            is_fast=True,
        ),
    ]


def _behaviour() -> list[Fact]:
    return [
        Fact(
            key="event_count",
            label=_("Number of events"),
            group=BEHAVIOUR,
            type=FactType.INTEGER,
            # Compiled from the leaf's own event, days and where.
            expression=lambda: Bind(0, BigIntegerField()),
            is_always_known=True,
            counts_events=True,
        ),
        _column("last_event_at", _("Last event"), BEHAVIOUR, "standing__last_event_at", FactType.DATETIME),
        _column(
            "asked_for_contact_at",
            _("Asked for contact"),
            BEHAVIOUR,
            "standing__asked_for_contact_at",
            FactType.DATETIME,
        ),
    ]


def _tag_rows() -> Any:
    return LeadTag.objects.all()


_TAGS = Rows(_tag_rows, "tag")


def _furthest_stage() -> Fragment:
    stages = ", ".join(f"'{stage.value}'" for stage in FORWARD_STAGES)
    return Fragment(f"(ARRAY[{stages}])[{{}} + 1]", F("standing__furthest_stage"), output_field=TextField())


def _origins() -> list[Choice]:
    return [
        Choice(key, label)
        for key, label in Origin.objects.order_by("label", "id").values_list("key", "label")
    ]


def _members() -> list[Choice]:
    people = Membership.objects.filter(kind=MemberKind.PERSON, is_active=True).order_by("name", "id")
    return [Choice(member_id, name) for member_id, name in people.values_list("id", "name")]


class CustomFacts:
    """``custom.NAME``: the tenant's own fields."""

    prefix = "custom."
    label = OWN_FIELDS
    is_open = False

    _TYPES = {
        CustomType.TEXT: (FactType.TEXT, "text_value", 1),
        CustomType.INTEGER: (FactType.INTEGER, "integer_value", 1),
        CustomType.DECIMAL: (FactType.DECIMAL, "decimal_value", MILLIONTHS),
        CustomType.DATE: (FactType.DATE, "date_value", 1),
    }

    def find(self, name: str) -> Fact | None:
        """The field with this name, retired or not."""
        custom_field = CustomField.objects.filter(name=name).first()
        return self._fact(custom_field) if custom_field else None

    def facts(self) -> list[Fact]:
        """The fields that are not retired, in order of their labels."""
        return [
            self._fact(field) for field in CustomField.objects.filter(retired_at=None).order_by("label", "id")
        ]

    def _fact(self, custom_field: CustomField) -> Fact:
        type_, column, scale = self._TYPES[CustomType(custom_field.type)]
        rows = Rows(partial(_custom_rows, custom_field.name), column)
        return Fact(
            key=f"{self.prefix}{custom_field.name}",
            label=custom_field.label,
            group=OWN_FIELDS,
            type=type_,
            expression=rows.value,
            rows=rows,
            scale=scale,
            is_fast=True,
            is_retired=custom_field.retired_at is not None,
        )


def _custom_rows(name: str) -> Any:
    """The values of the tenant's field of this name: by name, so that the text is the same for every tenant."""
    named = CustomField.objects.filter(Compare(F("name"), "=", Bind(name, TextField())))
    return CustomValue.objects.filter(field=Subquery(named.values("pk")))


class ConsentFacts:
    """``consent.PURPOSE``: whether a lawful basis for the purpose is in force; unknown if none was ever given."""

    prefix = "consent."
    label = CONSENT
    is_open = True

    def find(self, name: str) -> Fact | None:
        """Any well-formed purpose: it may be asked for before the first consent comes in."""
        if not _PURPOSE.fullmatch(name):
            return None
        return Fact(
            key=f"{self.prefix}{name}",
            label=format_lazy(_("Consent to {purpose}"), purpose=name),
            group=CONSENT,
            type=FactType.BOOLEAN,
            expression=partial(_consent, name),
        )

    def facts(self) -> list[Fact]:
        """Marketing, and the purposes that the tenant's forms ask for."""
        asked = CaptureForm.objects.values_list("document__consent__purpose", flat=True)
        purposes = dict.fromkeys(["marketing", *(purpose for purpose in asked if isinstance(purpose, str))])
        return [fact for purpose in purposes if (fact := self.find(purpose))]


def _consent(purpose: str) -> Subquery:
    of_lead = Rows(Consent.objects.all, "purpose").of_lead()
    given = of_lead.filter(Compare(F("purpose"), "=", Bind(purpose, TextField())))
    in_force = Fragment("{} IS NULL", F("withdrawn_at"), output_field=BooleanField())
    return AnyRow(given.annotate(in_force=in_force).order_by().values("in_force"))


class AnyRow(Subquery):
    """Whether one row of a one-column subquery is true; null without rows."""

    template = "(SELECT bool_or(answers.in_force) FROM (%(subquery)s) answers)"

    def __init__(self, queryset: Any) -> None:
        super().__init__(queryset, output_field=BooleanField(null=True))


class AnswerFacts:
    """``answer.FRAMEWORK.QUESTION``: whether a qualification question is met; unknown while it is not answered."""

    prefix = "answer."
    label = QUALIFICATION
    is_open = False

    def find(self, name: str) -> Fact | None:
        """A question of a framework; of one that is not published, any well-formed question.

        A question that the published version no longer asks is retired: its answers are kept.
        """
        match = _QUESTION.fullmatch(name)
        if match is None:
            return None
        framework, key = match.groups()
        document = self._published().filter(name=framework).values_list("document", flat=True).first()
        if document is None:
            return self._fact(framework, key, label=f"{framework.upper()}: {key.replace('_', ' ')}")
        asked = {question["key"]: question for question in document["questions"]}
        if key in asked:
            return self._fact(framework, key, label=_question_label(framework, document, asked[key]))
        was_answered = Answer.objects.filter(framework=framework, question=key).exists()
        return (
            self._fact(framework, key, label=f"{framework.upper()}: {key}", is_retired=True)
            if was_answered
            else None
        )

    def facts(self) -> list[Fact]:
        """The questions of the published frameworks."""
        published = self._published().order_by("name").values_list("name", "document")
        return [
            self._fact(framework, question["key"], label=_question_label(framework, document, question))
            for framework, document in published
            for question in document["questions"]
        ]

    def _published(self) -> Any:
        return RuleVersion.objects.filter(kind=RuleKind.QUALIFICATION, status=VersionStatus.PUBLISHED)

    def _fact(self, framework: str, question: str, *, label: Label, is_retired: bool = False) -> Fact:
        rows = Rows(partial(_answer_rows, framework, question), "met")
        return Fact(
            key=f"{self.prefix}{framework}.{question}",
            label=label,
            group=QUALIFICATION,
            type=FactType.BOOLEAN,
            expression=rows.value,
            rows=rows,
            is_retired=is_retired,
        )


def _question_label(framework: str, document: dict[str, Any], question: dict[str, Any]) -> Label:
    framework_label = _in_active_language(document.get("label") or framework.upper())
    return format_lazy(
        "{}: {}", framework_label, _in_active_language(question.get("label") or question["key"])
    )


def _in_active_language(label: str | dict[str, str]) -> Label:
    """A label of a rule document: one text, or one for each language."""
    if isinstance(label, str):
        return label
    texts = label

    def text() -> str:
        return texts.get((get_language() or "").lower()) or texts.get("en") or next(iter(texts.values()))

    return lazy(text, str)()


def _answer_rows(framework: str, question: str) -> Any:
    return Answer.objects.filter(
        Compare(F("framework"), "=", Bind(framework, TextField())),
        Compare(F("question"), "=", Bind(question, TextField())),
    )

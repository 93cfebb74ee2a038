"""The hub's own facts about a lead that every tenant has; see fact_families for those that a tenant's own rows make."""

import re
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import BigIntegerField, F, TextField
from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext_lazy as _

from leads.conditions.fact_families import AnswerFacts, ConsentFacts, CustomFacts
from leads.conditions.facts import LEAD, Choice, Fact, Rows, Vocabulary
from leads.conditions.logic import Bind, Fragment
from leads.conditions.operators import FactType, Label
from leads.models import (
    FORWARD_STAGES,
    EmailKind,
    ImportMark,
    ImportRun,
    LeadTag,
    Origin,
    Seniority,
    Stage,
)
from leads.models.lead import Grade
from tenancy.models import MemberKind, Membership

PERSON, COMPANY, SOURCE, STANDING, BEHAVIOUR = (
    _("Person"),
    _("Company"),
    _("Source"),
    _("Standing"),
    _("Behaviour"),
)
MINOR_UNITS = 100
# The orders of a list that stand with stage and owner in one table.
OF_STANDING = frozenset({"score", "grade", "stage_at", "created_at"})
ANY_ORDER = OF_STANDING | {"name"}
BY_CREATION = frozenset({"created_at"})
# So many imports are offered by name; any other can be asked for by its number.
RECENT_IMPORTS = 50


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
        _column(
            "email", _("E-mail"), PERSON, "email", normalise=str.lower, is_fast=True, fast_orders=ANY_ORDER
        ),
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
        _column("external_id", _("External id"), PERSON, "external_id", is_fast=True, fast_orders=ANY_ORDER),
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
            fast_orders=BY_CREATION,
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
            fast_orders=BY_CREATION,
            is_always_known=True,
        ),
        Fact(
            key="imports",
            label=_("Imports"),
            group=SOURCE,
            type=FactType.TAGS,
            expression=lambda: ArraySubquery(_IMPORTS.of_lead().order_by("key").values("key")),
            rows=_IMPORTS,
            choices=_recent_imports,
            suggests_choices=True,
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
            fast_orders=BY_CREATION | {"score"},
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
            fast_orders=BY_CREATION | {"grade"},
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
            fast_orders=OF_STANDING,
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
            fast_orders=OF_STANDING,
        ),
        _column(
            "owner_sales",
            _("Sales rep"),
            STANDING,
            "standing__owner_sales",
            FactType.MEMBER,
            choices=_members,
            is_fast=True,
            fast_orders=OF_STANDING,
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


_TAGS = Rows(_tag_rows, "tag", has_creation=True)


def _import_rows() -> Any:
    return ImportMark.objects.all()


_IMPORTS = Rows(_import_rows, "key")


def _recent_imports() -> list[Choice]:
    """The imports by the pages, the newest first."""
    runs = ImportRun.objects.filter(made_by__isnull=False, file_hash__gt="")
    newest = runs.order_by("-started_at").values_list("pk", "file_name", "started_at")[:RECENT_IMPORTS]
    return [
        Choice(str(pk), f"{name} ({date_format(localtime(at), 'SHORT_DATE_FORMAT')})")
        for pk, name, at in newest
    ]


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

"""Rows that a test is about, valid by default. Call them inside a tenant scope; they write rows and run no pipeline."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from django.db.models.functions import Coalesce, Greatest

from leads.lifecycle import furthest_ordinal
from leads.models import (
    Company,
    Event,
    Grade,
    Lead,
    LeadState,
    LeadTag,
    MoveAct,
    RuleKind,
    RuleVersion,
    Stage,
    StageChange,
)
from leads.search import refresh_search
from leads.versions import publish_version, save_draft
from tenancy.models import Membership, Role, Team, TeamFunction
from tenancy.services import get_or_create_login, join_tenant
from tests.conftest import NOW

_numbers = count(1)


def make_company(*, name: str | None = "Empresa SA", **fields: Any) -> Company:
    """A company; ``fields`` are columns such as ``size``, ``domain``, ``industry``."""
    company: Company = Company.objects.create(name=name, name_key=name.casefold() if name else None, **fields)
    return company


def make_lead(
    *,
    stage: Stage | str = Stage.NEW,
    stage_at: datetime = NOW - timedelta(days=10),
    stage_act: MoveAct | str = MoveAct.CAPTURE,
    stage_reason: str = "",
    score: int = 0,
    grade: str = "D",
    is_live: bool = True,
    company: Company | None = None,
    tags: Sequence[str] = (),
    standing: dict[str, Any] | None = None,
    **fields: Any,
) -> Lead:
    """A lead with its standing and the move that brought it there.

    ``is_live=False`` is a lead that only files tell of. ``standing`` are further columns of LeadState (owners, instants),
    ``fields`` columns of Lead; without any it has a name and an e-mail of its own.
    """
    number = next(_numbers)
    person = {"email": f"lead{number}@cliente{number}.test", "first_name": "Ana", "name": f"Ana {number}"}
    created_at = fields.pop("created_at", stage_at)
    lead: Lead = Lead.objects.create(company=company, created_at=created_at, **(person | fields))
    LeadState.objects.create(
        lead=lead,
        stage=stage,
        stage_at=stage_at,
        stage_act=stage_act,
        stage_reason=stage_reason,
        furthest_stage=furthest_ordinal(Stage(stage)),
        score=score,
        grade=Grade.labels.index(grade),
        live_since=stage_at if is_live else None,
        **(standing or {}),
    )
    StageChange.objects.create(lead=lead, to_stage=stage, at=stage_at, act=stage_act, reason=stage_reason)
    LeadTag.objects.bulk_create(LeadTag(lead=lead, tag=tag) for tag in tags)
    refresh_search(lead_ids=[lead.pk])
    return lead


def make_event(
    *,
    lead: Lead,
    type: str = "page_viewed",  # noqa: A002 - the field's name
    occurred_at: datetime = NOW - timedelta(hours=1),
    properties: dict[str, Any] | None = None,
    **fields: Any,
) -> Event:
    """Something the lead did, an hour ago by default."""
    event: Event = Event.objects.create(
        lead=lead,
        type=type,
        occurred_at=occurred_at,
        received_at=fields.pop("received_at", occurred_at),
        properties=properties or {},
        **fields,
    )
    LeadState.objects.filter(lead=lead).update(
        last_event_at=Greatest(Coalesce("last_event_at", occurred_at), occurred_at)
    )
    return event


def make_member(
    *, role: Role | str = Role.SDR, name: str | None = None, now: datetime = NOW, team: Team | None = None
) -> Membership:
    """A person of the current tenant in one role."""
    number = next(_numbers)
    user = get_or_create_login(email=f"{role}{number}@horizonte.test")
    return join_tenant(user=user, roles=[role], now=now, name=name or f"Bruno {number}", team=team)


def make_team(
    *,
    name: str | None = None,
    function: TeamFunction | str = TeamFunction.SDR,
    lead_member: Membership | None = None,
    members: Sequence[Membership] = (),
) -> Team:
    """A team of one function."""
    team: Team = Team.objects.create(
        name=name or f"Time {next(_numbers)}", function=function, lead_member=lead_member
    )
    for member in members:
        team.members.add(member, through_defaults={})
    return team


def make_rule(*, event: str | None = "page_viewed", **parts: Any) -> dict[str, Any]:
    """One rule of a scoring document: 10 points for each page view, without window or cap. ``event=None`` with ``when=…``."""
    subject: dict[str, Any] = {"event": {"type": event}} if event else {}
    return {"id": "rule", "label": "Rule", "points": "10"} | subject | parts


def publish_rules(
    *, kind: RuleKind, document: dict[str, Any], name: str = "main", now: datetime = NOW
) -> RuleVersion:
    """Save a document as the next version of its kind and publish it."""
    draft = save_draft(kind=kind, document=document, by=None, now=now, name=name)
    return publish_version(version=draft, by=None, now=now)

"""Everything about one lead that its page, the queue and the inbox show, read at once."""

from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

from leads.clocks import list_urgent_faces
from leads.models import FORWARD_STAGES, Consent, Lead, LeadState, LeadTag, Stage
from leads.ownership import function_of, may_act_on, owner_id
from leads.qualification.assessments import Assessment, list_assessments, missing_in
from leads.qualification.frameworks import Question
from leads.reasons import Reasons, published_reasons
from leads.selectors import get_lead
from leads.timeline import TimelinePage, list_timeline
from leads.versions import Rulebook, open_rulebook
from tenancy.components import ClockFace, StagePoint
from tenancy.models import Membership, TeamFunction


@dataclass(frozen=True)
class LeadCard:
    """One lead as a member sees it. ``missing`` are the questions that keep it from being handed over."""

    lead: Lead
    stage: Stage
    grade: str
    points: list[StagePoint]
    clock: ClockFace | None
    can_act: bool
    is_mine: bool
    rules: Rulebook = field(repr=False)
    assessments: list[Assessment]
    missing: list[Question]
    timeline: TimelinePage

    @property
    def standing(self) -> LeadState:
        return self.lead.standing

    @property
    def title(self) -> str:
        """The best name we have."""
        return str(self.lead)

    @cached_property
    def tags(self) -> list[str]:
        """The lead's tags, by name."""
        return list_tags(lead_id=self.lead.pk)

    @property
    def reasons(self) -> Reasons:
        return published_reasons(self.rules)

    @property
    def missing_words(self) -> str:
        """ "Budget, Timeline"; nothing when the lead may be handed over."""
        return ", ".join(str(question.label) for question in self.missing)

    @property
    def assessment(self) -> Assessment | None:
        """The framework to show first: the one worked on last, else the first."""
        used = [each for each in self.assessments if each.is_used]
        if used:
            return max(
                used, key=lambda each: each.last_answered_at.timestamp() if each.last_answered_at else 0.0
            )
        return self.assessments[0] if self.assessments else None

    @property
    def place(self) -> str:
        """Where the lead is: "Campinas, SP, BR"."""
        return ", ".join(part for part in (self.lead.city, self.lead.state, self.lead.country) if part)

    @property
    def owners(self) -> list[tuple[str, str, bool]]:
        """Function, name, and whether it is the one who holds the lead now; those alone that have somebody."""
        holder = function_of(self.stage)
        named = [
            (TeamFunction.MARKETING, self.standing.owner_marketing, None),
            (TeamFunction.SDR, self.standing.owner_sdr, self.standing.kept_sdr),
            (TeamFunction.SALES, self.standing.owner_sales, self.standing.kept_sales),
        ]
        return [
            (str(function.label), str(owner or kept), function is holder)
            for function, owner, kept in named
            if owner or kept
        ]

    @property
    def has_owner(self) -> bool:
        """Whether somebody holds the lead in the function whose turn it is."""
        function = function_of(self.stage)
        return function is not None and owner_id(self.standing, function) is not None


def get_card(*, lead_id: int, member: Membership, now: datetime, before: datetime | None = None) -> LeadCard:
    """Read one lead for a member; a fixed number of queries. Raises LeadNotFound."""
    lead = get_lead(lead_id=lead_id)
    standing: LeadState = lead.standing
    stage = Stage(standing.stage)
    rules = open_rulebook()
    function = function_of(stage)
    assessments = list_assessments(lead_id=lead_id, rules=rules)
    return LeadCard(
        lead=lead,
        stage=stage,
        grade=str(standing.get_grade_display()),
        points=stage_points(stage=stage, furthest=standing.furthest_stage),
        clock=list_urgent_faces(lead_ids=[lead_id], now=now).get(lead_id),
        can_act=may_act_on(member=member, state=standing),
        is_mine=function is not None and owner_id(standing, function) == member.pk,
        rules=rules,
        assessments=assessments,
        missing=missing_in(assessments),
        timeline=list_timeline(lead_id=lead_id, before=before),
    )


def stage_points(*, stage: Stage, furthest: int) -> list[StagePoint]:
    """The stage path; a lead in a side exit has one more point, behind the stage from which it left."""
    if stage in FORWARD_STAGES:
        here = FORWARD_STAGES.index(stage)
        return [
            StagePoint(
                key=each.value,
                label=each.label,
                state="current" if index == here else "done" if index < here else "next",
            )
            for index, each in enumerate(FORWARD_STAGES)
        ]
    points = [
        StagePoint(key=each.value, label=each.label, state="done" if index <= furthest else "next")
        for index, each in enumerate(FORWARD_STAGES)
    ]
    return [*points, StagePoint(key=stage.value, label=stage.label, state="left")]


def list_tags(*, lead_id: int) -> list[str]:
    """A lead's tags, by name."""
    return list(LeadTag.objects.filter(lead=lead_id).order_by("tag").values_list("tag", flat=True))


def list_consents(*, lead_id: int) -> list[Consent]:
    """What the lead agreed to, and on what else its treatment rests; newest first, with what proves it."""
    return list(Consent.objects.filter(lead=lead_id).order_by("-given_at", "-id"))


def proof_words(consent: Consent) -> str:
    """What proves a consent, in a line."""
    proof: dict[str, Any] = consent.proof or {}
    return " · ".join(str(value) for value in proof.values() if value)

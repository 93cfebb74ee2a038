"""The step that tells people what changed for them.

Who was told what stands on the lead: the owner who knows that it is theirs, and the coming into a stage that was told. So a
run that is repeated tells nobody twice, and a lead that was held catches up.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from django.db import connection
from django.utils.translation import gettext_lazy as _

from core.notifications import Notice, NotificationKind, tell
from leads.lifecycle import STAGE_FUNCTION
from leads.models import Lead, MoveAct
from leads.ownership import OWNER_COLUMN
from leads.pipeline import Batch
from leads.reasons import published_reasons
from tenancy.models import MemberKind, Membership, Role

OWNED: Final = "lead.owned"
REJECTED: Final = "lead.rejected"
RETURNED: Final = "lead.returned"
KIND_OF_ACT: Final = {MoveAct.REJECT.value: REJECTED, MoveAct.RETURN.value: RETURNED}


@dataclass(frozen=True)
class Standing:
    """One lead of which somebody has not been told yet."""

    lead_id: int
    stage_at: datetime
    act: str
    reason: str
    owner: int | None
    has_new_owner: bool
    is_back: bool
    sdr: int | None
    marketing: int | None


@dataclass
class NotifyPlan:
    """What to tell, and what has been told then."""

    notices: list[Notice] = field(default_factory=list)
    standings: list[Standing] = field(default_factory=list)


class NotifyStep:
    """Tells a new owner, and marketing and the SDR when sales hands a lead back."""

    name = "notify"
    runs_on_history = False
    concerns = """
        state.live_since IS NOT NULL AND (
            state.told_owner_id IS NOT NULL
            OR COALESCE(state.owner_marketing_id, state.owner_sdr_id, state.owner_sales_id) IS NOT NULL
            OR state.stage_act IN ('reject', 'return') AND state.told_stage_at IS DISTINCT FROM state.stage_at
        )
    """

    def plan(self, batch: Batch) -> NotifyPlan:
        """Whom to tell what."""
        standings = _list_untold(batch.lead_ids)
        if not standings:
            return NotifyPlan()
        notices = [
            notice for notice in _notices(standings, batch) if notice.member_id != batch.reason.actor_id
        ]
        return NotifyPlan(_leave_out_known(notices), standings)

    def apply(self, batch: Batch, plan: NotifyPlan) -> None:
        """Write the notifications, and on the leads that they were written."""
        if not plan.standings:
            return
        tell(notices=plan.notices, now=batch.now)
        with connection.cursor() as cursor:
            cursor.execute(
                """
                UPDATE leads_leadstate state
                SET told_owner_id = told.owner,
                    told_stage_at = CASE WHEN told.is_back THEN state.stage_at ELSE state.told_stage_at END
                FROM unnest(%s::bigint[], %s::bigint[], %s::boolean[]) AS told (lead_id, owner, is_back)
                WHERE state.lead_id = told.lead_id
                """,
                [
                    [standing.lead_id for standing in plan.standings],
                    [standing.owner for standing in plan.standings],
                    [standing.is_back for standing in plan.standings],
                ],
            )


def _list_untold(lead_ids: list[int]) -> list[Standing]:
    """The live leads whose owner, or whose being handed back, has not been told."""
    owners = " ".join(
        f"WHEN '{stage.value}' THEN {OWNER_COLUMN[function]}_id" for stage, function in STAGE_FUNCTION.items()
    )
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT lead_id, stage_at, stage_act, stage_reason, owner,
                owner IS NOT NULL AND owner IS DISTINCT FROM told_owner_id, is_back, owner_sdr_id, owner_marketing_id
            FROM (
                SELECT *, CASE stage {owners} END AS owner,
                    stage_act = ANY (%s) AND told_stage_at IS DISTINCT FROM stage_at AS is_back
                FROM leads_leadstate
                WHERE lead_id = ANY (%s::bigint[]) AND live_since IS NOT NULL
            ) standing
            WHERE is_back OR owner IS DISTINCT FROM told_owner_id
            ORDER BY lead_id
            """,  # noqa: S608 - column names of our own
            [list(KIND_OF_ACT), lead_ids],
        )
        return [Standing(*row) for row in cursor.fetchall()]


def _notices(standings: list[Standing], batch: Batch) -> Iterator[Notice]:
    names = _read_names([standing.lead_id for standing in standings])
    marketing = _marketing_members() if any(standing.is_back for standing in standings) else []
    for standing in standings:
        values: dict[str, Any] = {"lead": names[standing.lead_id]}
        if standing.has_new_owner:
            assert standing.owner is not None
            yield Notice(standing.owner, OWNED, values, standing.lead_id)
        if standing.is_back:
            said = values | {"reason": _reason_words(standing, batch)}
            concerned = [standing.sdr, *([standing.marketing] if standing.marketing else marketing)]
            for member_id in dict.fromkeys(member_id for member_id in concerned if member_id):
                yield Notice(member_id, KIND_OF_ACT[standing.act], said, standing.lead_id)


def _reason_words(standing: Standing, batch: Batch) -> dict[str, str] | str:
    """The reason in each language; a notification keeps words, not the list of reasons."""
    choice = published_reasons(batch.rules).find(act=standing.act, reason=standing.reason)
    return choice.label.as_json() if choice else standing.reason


def _read_names(lead_ids: list[int]) -> dict[int, str]:
    leads = Lead.objects.filter(pk__in=lead_ids).only("id", "name", "email", "external_id", "phone")
    return {lead.pk: str(lead) for lead in leads}


def _marketing_members() -> list[int]:
    """Who is told in marketing's stead while a lead has no owner there; the administrators while nobody has the role."""
    people = Membership.objects.filter(kind=MemberKind.PERSON, is_active=True).order_by("id")
    for role in (Role.MARKETING, Role.ADMIN):
        members = list(people.filter(roles__contains=[role.value]).values_list("id", flat=True))
        if members:
            return members
    return []


def _leave_out_known(notices: list[Notice]) -> list[Notice]:
    """Without the owners who were told in other words when the lead became theirs, as of a clock that had run out."""
    owners = [notice for notice in notices if notice.kind == OWNED]
    if not owners:
        return notices
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT told.lead_id, told.member_id FROM core_notification told
            WHERE told.member_id = ANY (%s::bigint[]) AND told.lead_id = ANY (%s::bigint[]) AND told.kind <> %s
              AND told.at >= (
                SELECT max(decision.at) FROM leads_decision decision
                WHERE decision.lead_id = told.lead_id AND decision.kind = 'owner'
              )
            """,
            [[notice.member_id for notice in owners], [notice.lead_id for notice in owners], OWNED],
        )
        known = set(cursor.fetchall())
    return [
        notice
        for notice in notices
        if notice.kind != OWNED or (notice.lead_id, notice.member_id) not in known
    ]


notify = NotifyStep()

NOTICES: Final = (
    NotificationKind(OWNED, _("You got a lead: %(lead)s")),
    NotificationKind(REJECTED, _("Sales rejected %(lead)s: %(reason)s")),
    NotificationKind(RETURNED, _("Sales returned %(lead)s: %(reason)s")),
)

"""When somebody leaves, their leads find another owner at once instead of at the leads' next event."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from django.db.models import Q

from core.due import DueKind, schedule
from leads.models import LeadState
from leads.pipeline import Reason, ReasonCode, run_pipeline
from routing.assignment import SALES_STAGES, SDR_STAGES
from tenancy.models import Membership

LEFT_KIND: Final = "routing.member_left"
LEADS_AT_ONCE: Final = 500


def member_changed(member: Membership, now: datetime) -> None:
    """Plan the routing of a person's leads anew if they are no longer active."""
    if not member.is_active:
        schedule(kind=LEFT_KIND, due={member.pk: now})


def hand_on_leads(member_ids: Sequence[int], now: datetime) -> None:
    """Run the pipeline on the live leads that wait for people who left, a part of them at a time."""
    for member_id in member_ids:
        waiting = LeadState.objects.filter(
            Q(owner_sdr=member_id, stage__in=SDR_STAGES) | Q(owner_sales=member_id, stage__in=SALES_STAGES),
            live_since__isnull=False,
        )
        lead_ids = list(waiting.order_by("lead_id").values_list("lead_id", flat=True)[:LEADS_AT_ONCE])
        result = run_pipeline(lead_ids=lead_ids, reason=Reason(ReasonCode.TIME), now=now)
        # Leads that failed are tried again by themselves; a part in which all failed is not asked for for ever.
        if len(result.failed) < len(lead_ids) == LEADS_AT_ONCE:
            schedule(kind=LEFT_KIND, due={member_id: now})


MEMBER_LEFT: Final = DueKind(LEFT_KIND, act=hand_on_leads, batch_size=1)

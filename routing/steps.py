"""The pipeline's steps of routing: ``assign`` gives leads to people, ``time`` runs the clocks on them."""

from core.notifications import Notice, tell
from leads.models import RuleKind
from leads.pipeline import Batch
from routing.assignment import Choice, Given, How, choose, give, list_waiting
from routing.clocks import ClockPlan, apply_clocks, plan_clocks
from routing.notices import NOBODY
from tenancy.models import Role


class Assign:
    """Gives each live lead that waits for an SDR or a sales rep to somebody."""

    name = "assign"
    runs_on_history = False
    concerns = "state.live_since IS NOT NULL AND state.stage IN ('mql', 'working', 'sql', 'opportunity')"

    def plan(self, batch: Batch) -> list[Choice]:
        """What the published rules say of the leads that wait."""
        published = batch.rules.get(RuleKind.ROUTING)
        waiting = list_waiting(batch.lead_ids)
        if published is None or not waiting:
            return []
        return choose(waiting=waiting, rules=published.rules, now=batch.now)

    def apply(self, batch: Batch, plan: list[Choice]) -> None:
        """Take turns, write owners and decisions."""
        published = batch.rules.get(RuleKind.ROUTING)
        if published is None or not plan:
            return
        given = give(choices=plan, published=published, now=batch.now)
        if notices := _notices(given):
            tell(notices=notices, now=batch.now)


def _notices(given: Given) -> list[Notice]:
    """The administrators are told of leads for which there is nobody; the last step tells new owners."""
    alone = [outcome.lead_id for outcome in given.news if outcome.how is How.NOBODY]
    if not alone:
        return []
    lead_id = alone[0] if len(alone) == 1 else None
    return [
        Notice(member_id, NOBODY, {"count": len(alone)}, lead_id)
        for member_id in given.staff.with_role(Role.ADMIN)
    ]


class Time:
    """Starts, meets and cancels clocks. After ``enroll``, which meets one of them."""

    name = "time"
    runs_on_history = False
    concerns = """
        state.live_since IS NOT NULL AND state.stage IN ('mql', 'sql', 'nurture')
        OR EXISTS (
            SELECT FROM routing_clock clock
            WHERE clock.lead_id = state.lead_id AND clock.state IN ('running', 'paused', 'broken')
        )
    """

    def plan(self, batch: Batch) -> ClockPlan:
        """Which clocks start and which end."""
        return plan_clocks(batch)

    def apply(self, batch: Batch, plan: ClockPlan) -> None:
        """Write them, with their shares as due rows and their decisions."""
        apply_clocks(batch, plan)


assign = Assign()
time = Time()

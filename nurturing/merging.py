"""When a lead is merged into another: its enrolments end, and stay ended; its messages go along."""

from datetime import datetime

from leads.merging.tables import Fate, LeadTable, register_lead_table, register_merge_preparation
from nurturing.enrollments import Exit, exit_early
from nurturing.models import Enrollment, EnrollmentState, ExitReason, Message


def end_enrollments(survivor_id: int, loser_id: int, now: datetime) -> None:
    """End the sequences of a lead that is about to be part of another: no mail is written twice to one person."""
    active = Enrollment.objects.filter(lead=loser_id, state=EnrollmentState.ACTIVE)
    exits = [
        Exit(each.pk, loser_id, each.sequence, each.version_id, ExitReason.MERGED, {"survivor": survivor_id})
        for each in active.order_by("pk")
    ]
    exit_early(exits=exits, now=now)


def register_tables() -> None:
    """Say what happens to nurturing's rows; called once, when the app is ready."""
    register_lead_table(LeadTable(Enrollment, Fate.MOVE))
    register_lead_table(LeadTable(Message, Fate.MOVE))
    register_merge_preparation(end_enrollments)

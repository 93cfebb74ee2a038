"""Four months in the life of the demo tenant, told by the same doors and acts that people use.

The clock moves in steps of two hours. Every step captures leads, records what they do, lets due rows fall due, and lets SDRs
and reps work for a while; what they leave undone breaks clocks, as it does in life. The story ends now, with some leads put off.
"""

import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final
from zoneinfo import ZoneInfo

from django.db import transaction

from core.due import hold_sweeps, sweep_tenant
from leads import acts
from leads.capture.fields import read_submission
from leads.capture.inputs import IntakeRules, LeadInput
from leads.capture.intake import run_after_intake, take_in
from leads.capture.rules import open_rules
from leads.events import NewEvent, record_events
from leads.lifecycle import MoveNotAllowed
from leads.models import ContactAttempt, Lead, LeadState, Opportunity, Stage
from leads.ownership import NotYourLead
from leads.pipeline import Reason, ReasonCode, run_pipeline
from leads.qualification.queue import list_inbox, list_queue
from leads.reasons import RE_ENGAGEMENT
from leadsys.demo.words import NOTES, make_persona
from nurturing.sending import keep_messages
from nurturing.services import EnrollmentNotPossible, enroll_lead
from routing.models import OPEN_STATES, Clock, ClockKind
from tenancy.errors import Conflict
from tenancy.models import Membership, Role, Tenant
from tenancy.scope import tenant_scope

STEP: Final = timedelta(hours=2)
FIRST_HOUR, LAST_HOUR = 8, 19
SDRS_FIRST: Final = timedelta(minutes=40)
# The share of the time in which a person is in meetings, ill or on holiday.
AWAY: Final = 0.3
BANT: Final = ("budget", "authority", "need", "timeline")
# In the last working days somebody puts off one lead in so many, so that clocks of every kind stand broken at the end.
PUT_OFF: Final = 3
CALLS_PUT_OFF_DAYS, ANSWERS_PUT_OFF_DAYS, NURTURE_PUT_OFF_DAYS = 3, 5, 8
# An SDR who has tried so often for so long lets the lead go to nurture.
MOST_ATTEMPTS: Final = 3
GIVEN_UP_AFTER: Final = timedelta(days=10)
# What leads do, and how often: the most telling acts are the rarest.
BEHAVIOUR: Final[tuple[tuple[str, dict[str, str], int], ...]] = (
    ("page_viewed", {}, 46),
    ("email_opened", {}, 18),
    ("email_clicked", {}, 8),
    ("pricing_viewed", {}, 12),
    ("content_downloaded", {"title": "Guia de implantação"}, 9),
    ("webinar_attended", {"title": "Custos da planilha"}, 6),
    ("form_submitted", {"kind": "newsletter"}, 6),
    ("form_submitted", {"kind": "pricing"}, 4),
    ("form_submitted", {"kind": "demo"}, 3),
    ("careers_viewed", {}, 2),
)


STILL_AROUND: Final = tuple(
    stage.value for stage in Stage if stage not in (Stage.CUSTOMER, Stage.DISQUALIFIED)
)


@dataclass
class Story:
    """The demo tenant on its way through time."""

    tenant: Tenant
    dice: random.Random
    leads_a_day: float
    ends_at: datetime
    number: int = 0

    def is_put_off(self, lead_id: int, now: datetime, *, days: int) -> bool:
        """Whether nobody gets round to this lead in the last working days of the story."""
        return lead_id % PUT_OFF == 0 and now >= working_days_before(self.ends_at, days)


def tell_story(*, tenant: Tenant, now: datetime, days: int, leads: int, seed: int) -> Iterator[str]:
    """Live through the days that have not been told yet; yields a line a day. Sweeps of the real clock keep out meanwhile."""
    zone = ZoneInfo(tenant.time_zone)
    with hold_sweeps(tenant_id=tenant.pk):
        for back in range(days, -1, -1):
            day = local_midnight(now - timedelta(days=back), zone)
            if was_told(tenant, day):
                continue
            dice = random.Random(f"{seed} {days - back}")  # noqa: S311 - dice for a story
            story = Story(tenant, dice, leads / days, ends_at=now)
            live_through(story, day, until=now, is_last=back == 0)
            yield f"{day:%Y-%m-%d}  {story.number} new leads"


def local_midnight(at: datetime, zone: ZoneInfo) -> datetime:
    """The beginning of the local day."""
    return at.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)


def working_days_before(at: datetime, days: int) -> datetime:
    """So many working days earlier, at the same time of day; weekends don't count."""
    moment = at
    while days:
        moment -= timedelta(days=1)
        days -= moment.weekday() < 5
    return moment


def was_told(tenant: Tenant, day: datetime) -> bool:
    """Whether an earlier run has lived through this day, or was in it when it stopped: its leads bear its date."""
    with tenant_scope(tenant.pk):
        return bool(Lead.objects.filter(external_id__startswith=external_id(day, "")).exists())


def external_id(day: datetime, number: str) -> str:
    """What a lead of the story is known by."""
    return f"demo-{day:%Y%m%d}-{number}"


def live_through(story: Story, day: datetime, *, until: datetime, is_last: bool) -> None:
    """One day in steps of two hours; nobody works at weekends."""
    is_working_day = day.weekday() < 5
    hour = FIRST_HOUR
    while hour <= LAST_HOUR:
        # Apart by an hour and a half at least, so that nobody acts before what others did a step ago.
        now = day + timedelta(hours=hour, minutes=story.dice.randrange(30))
        if now > until:
            break
        share = story.leads_a_day / 6 * (1.25 if is_working_day else 0.4)
        with tenant_scope(story.tenant.pk):
            capture(story, day, share, now)
        with tenant_scope(story.tenant.pk):
            behave(story, now)
        do_what_is_due(story, now)
        if is_working_day and not (is_last and until - now < timedelta(hours=5)):
            work(story, now + timedelta(minutes=20))
        hour += 2
    if not is_last:
        do_what_is_due(story, day + timedelta(hours=23, minutes=55))


def do_what_is_due(story: Story, now: datetime) -> None:
    """What workers would have done by now. Mail to people who don't exist stays in the Outbox, whatever is configured."""
    sweep_tenant(tenant_id=story.tenant.pk, now=now)
    keep_messages(tenant_id=story.tenant.pk, now=now)


def capture(story: Story, day: datetime, share: float, now: datetime) -> None:
    """New leads come in by a form or by hand."""
    dice = story.dice
    count = int(share) + (dice.random() < share % 1)
    rules = open_rules(tenant=story.tenant)
    rows: list[LeadInput] = []
    for _one in range(count):
        story.number += 1
        persona = make_persona(dice, external_id(day, f"{story.number:03}"))
        rows.append(read(story, persona, rules, now))
    taken = take_in(rows=rows, now=now, is_live=True)
    run_after_intake(taken=taken, reason=Reason(ReasonCode.CAPTURED), now=now)


def read(story: Story, persona: dict[str, object], rules: IntakeRules, now: datetime) -> LeadInput:
    """The row of a persona, often with the form that brought it."""
    kind = story.dice.choices(
        ("newsletter", "content", "contact", "pricing", "demo"), weights=(45, 35, 6, 8, 6)
    )[0]
    document = persona | {"event": {"type": "form_submitted", "properties": {"kind": kind}}}
    lead, problems = read_submission(document=document, rules=rules, now=now)
    assert not problems, problems
    return lead


def behave(story: Story, now: datetime) -> None:
    """Some of the leads of the last weeks come back and do something; the well fitting ones more often."""
    recent = list(
        LeadState.objects.filter(
            lead__created_at__gt=now - timedelta(days=45), lead__created_at__lt=now, stage__in=STILL_AROUND
        ).values_list("lead_id", "grade")
    )
    if not recent:
        return
    dice = story.dice
    weights = [1 + grade for _lead, grade in recent]
    who = dice.choices([lead for lead, _grade in recent], weights=weights, k=max(1, len(recent) // 40))
    events = []
    for lead_id in who:
        kind, properties, _often = dice.choices(
            BEHAVIOUR, weights=[often for _kind, _properties, often in BEHAVIOUR]
        )[0]
        events.append(NewEvent(kind, now, lead_id=lead_id, properties=dict(properties)))
    record_events(events=events, now=now)
    run_pipeline(lead_ids=set(who), reason=Reason(ReasonCode.EVENT), now=now)


def work(story: Story, now: datetime) -> None:
    """SDRs and reps do their job for two hours, not always in time."""
    with tenant_scope(story.tenant.pk):
        members = list(Membership.objects.select_related("user").filter(is_active=True, user__isnull=False))
    for member in members:
        if story.dice.random() < AWAY:
            continue
        if Role.SDR in member.roles:
            work_queue(story, member, now)
            give_up(story, member, now)
    for member in members:
        if story.dice.random() < AWAY:
            continue
        # What SDRs hand over is answered after that, as time goes on.
        if Role.SALES in member.roles:
            work_inbox(story, member, now + SDRS_FIRST)
            work_pipeline(story, member, now + SDRS_FIRST)
        if Role.MARKETING in member.roles:
            decide_nurture(story, member, now + SDRS_FIRST)


def work_queue(story: Story, member: Membership, now: datetime) -> None:
    """Call the next leads of the queue."""
    with tenant_scope(story.tenant.pk):
        waiting = [
            lead
            for lead in list_queue(member=member, now=now).leads
            if lead.attempts or not story.is_put_off(lead.row.id, now, days=CALLS_PUT_OFF_DAYS)
        ]
    for place, lead in enumerate(waiting[: story.dice.randrange(1, 6)]):
        moment = now + timedelta(minutes=4 * place)
        if not lead.is_mine:
            attempt(story, partial(acts.claim, lead_id=lead.row.id, by=member), moment)
        attempt(story, partial(call, story, lead.row.id, member), moment)


def call(story: Story, lead_id: int, member: Membership, now: datetime) -> None:
    """One attempt, and what comes of it."""
    dice = story.dice
    is_reached = dice.random() < 0.55
    acts.log_attempt(
        lead_id=lead_id,
        channel=dice.choices(("call", "email", "whatsapp"), weights=(6, 2, 3))[0],
        outcome="reached" if is_reached else dice.choices(("no_answer", "wrong_contact"), weights=(9, 1))[0],
        note=dice.choice(NOTES) if dice.random() < 0.5 else "",
        by=member,
        now=now,
    )
    now += timedelta(minutes=4)
    if not is_reached:
        if dice.random() < 0.20:
            acts.nurture(lead_id=lead_id, reason="no_answer", by=member, now=now)
        return
    fate = dice.random()
    if fate < 0.10:
        acts.disqualify(
            lead_id=lead_id, reason=dice.choice(("no_fit", "junk", "competitor")), by=member, now=now
        )
    elif fate < 0.24:
        acts.nurture(lead_id=lead_id, reason="bad_timing", by=member, now=now)
    else:
        learn(story, lead_id, member, now)


def give_up(story: Story, member: Membership, now: datetime) -> None:
    """Send the oldest leads whom nobody reached to nurture."""
    with tenant_scope(story.tenant.pk):
        oldest = list(
            LeadState.objects.filter(
                stage=Stage.WORKING, owner_sdr=member, stage_at__lt=now - GIVEN_UP_AFTER
            ).order_by("stage_at", "lead_id")[:6]
        )
        attempts = ContactAttempt.objects.filter(lead__in=[standing.lead_id for standing in oldest])
        tried = Counter(attempts.values_list("lead_id", flat=True))
    for place, standing in enumerate(oldest):
        moment = now + timedelta(minutes=30 + place)
        if tried[standing.lead_id] >= MOST_ATTEMPTS or standing.stage_at < now - 2 * GIVEN_UP_AFTER:
            nurture = partial(acts.nurture, lead_id=standing.lead_id, reason="no_answer", by=member)
            attempt(story, nurture, moment)


def decide_nurture(story: Story, member: Membership, now: datetime) -> None:
    """Marketing finds a sequence for those whom sales left to it."""
    with tenant_scope(story.tenant.pk):
        waiting = Clock.objects.filter(kind=ClockKind.BACK_TO_NURTURE, state__in=OPEN_STATES)
        lead_ids = list(waiting.order_by("due_at", "id").values_list("lead_id", flat=True))
    for place, lead_id in enumerate(lead_ids):
        if story.dice.random() < 0.8 or story.is_put_off(lead_id, now, days=NURTURE_PUT_OFF_DAYS):
            continue
        attempt(
            story, partial(nurture_again, lead_id=lead_id, by=member), now + timedelta(minutes=20 + place % 5)
        )


def nurture_again(*, lead_id: int, by: Membership, now: datetime) -> None:
    """Into the sequence; who never agreed to mail has no place in it and is let go."""
    try:
        with transaction.atomic():
            enroll_lead(lead_id=lead_id, sequence=RE_ENGAGEMENT, by=by, now=now)
    except EnrollmentNotPossible:
        acts.disqualify(lead_id=lead_id, reason="no_fit", by=by, now=now)


def learn(story: Story, lead_id: int, member: Membership, now: datetime) -> None:
    """Ask the BANT questions; hand over when all are met."""
    dice = story.dice
    answers = {
        question: {"met": dice.random() < 0.86, "note": dice.choice(NOTES) if dice.random() < 0.3 else ""}
        for question in BANT
        if dice.random() < 0.9
    }
    acts.assess(lead_id=lead_id, framework="bant", answers=answers, by=member, now=now)
    if len(answers) == len(BANT) and all(answer["met"] for answer in answers.values()):
        acts.hand_over(lead_id=lead_id, by=member, now=now)


def work_inbox(story: Story, member: Membership, now: datetime) -> None:
    """Accept or reject SQLs; some lie too long."""
    with tenant_scope(story.tenant.pk):
        waiting = [
            lead
            for lead in list_inbox(member=member, now=now).leads
            if not story.is_put_off(lead.row.id, now, days=ANSWERS_PUT_OFF_DAYS)
        ]
    for place, lead in enumerate(waiting[:6]):
        if story.dice.random() < 0.45:
            continue
        moment = now + timedelta(minutes=3 * place)
        if story.dice.random() < 0.78:
            attempt(story, partial(acts.accept, lead_id=lead.row.id, by=member), moment)
        else:
            reason = story.dice.choice(
                ("no_budget", "no_authority", "bad_timing", *["marketing_decides"] * 2)
            )
            attempt(story, partial(acts.reject, lead_id=lead.row.id, reason=reason, by=member), moment)


def work_pipeline(story: Story, member: Membership, now: datetime) -> None:
    """Win or lose opportunities that are old enough to be decided."""
    dice = story.dice
    with tenant_scope(story.tenant.pk):
        ripe = list(
            Opportunity.objects.filter(
                outcome="open", lead__standing__owner_sales=member, opened_at__lt=now - timedelta(days=9)
            ).values_list("lead_id", flat=True)
        )
    for lead_id in ripe:
        fate = dice.random()
        if fate < 0.025:
            amount = round(dice.uniform(4, 90)) * 500
            attempt(story, partial(acts.win, lead_id=lead_id, amount=amount, by=member), now)
        elif fate < 0.045:
            reason = dice.choice(("no_budget", "bad_timing", *["marketing_decides"] * 2, "no_need"))
            attempt(story, partial(acts.lose, lead_id=lead_id, reason=reason, by=member), now)


def attempt(story: Story, act: Callable[..., object], now: datetime) -> None:
    """Do an act as a person would: when somebody else was first, go on with the next."""
    try:
        with tenant_scope(story.tenant.pk):
            act(now=now)
    except (Conflict, MoveNotAllowed, NotYourLead):
        return

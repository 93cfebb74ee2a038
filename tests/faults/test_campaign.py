"""The fault campaign: its rounds in full by `make faults`, one of each cheap kind in `make test`."""

import os
import time
from collections.abc import Iterator

import pytest

from tests.faults.campaign import (
    Campaign,
    Plan,
    choose_seed,
    draw_plans,
    open_campaign,
    report,
    write_report,
)
from tests.faults.counting import count

pytestmark = [pytest.mark.fault, pytest.mark.slow, pytest.mark.xdist_group("faults")]

FULL_ROUNDS = 300
IS_FULL = os.environ.get("LEADSYS_FAULTS") == "full"
# What comes back without a Python process to be loaded anew takes seconds.
CHEAP = (
    ("session of PostgreSQL killed", "send"),
    ("Valkey killed", "escalation"),
    ("import command killed", "import"),
    ("PostgreSQL killed", "publish"),
    ("Valkey emptied", "batch"),
    ("workers stopped for six hours", "escalation"),
    ("two beats", "batch"),
    ("clock set back an hour", "send"),
    ("disk full", "batch"),
    ("worker killed", "send"),
)

Opened = tuple[Campaign, frozenset[str]]


@pytest.fixture(scope="module")
def opened() -> Iterator[Opened]:
    """A running campaign, and the faults that are not possible on this machine."""
    with open_campaign(choose_seed()) as opened:
        yield opened


def test_nothing_is_lost_doubled_missed_or_stuck_whatever_dies_in_mid_work(opened: Opened) -> None:
    (campaign, skipped), began_at = opened, time.monotonic()
    if IS_FULL:
        plans = draw_plans(campaign.seed, rounds=FULL_ROUNDS, without=skipped)
    else:
        cheap = [pair for pair in CHEAP if pair[0] not in skipped]
        plans = [Plan(number, *pair) for number, pair in enumerate(cheap, start=1)]
    try:
        campaign.run(plans)
    finally:
        text = report(campaign, planned=len(plans), skipped=skipped, seconds=time.monotonic() - began_at)
        print(text)  # noqa: T201 - shown with a failure, and by make faults
        if IS_FULL:
            write_report(text)
    assert [each.count.words for each in campaign.rounds if not each.count.is_clean] == []
    assert len(campaign.rounds) == len(plans)
    # Faults that come when nothing is going on would prove nothing.
    assert sum(each.hit for each in campaign.rounds) >= len(plans) // 2


# What would be counted if it happened: a statement that does it, and the kind under which it has to be found.
HARM = {
    "an event is gone": (
        "DELETE FROM leads_event WHERE id IN (SELECT id FROM leads_event WHERE tenant_id = %(tenant)s LIMIT 1)",
        "lost",
    ),
    "an event came twice": (
        "INSERT INTO leads_event (tenant_id, lead_id, type, occurred_at, received_at, properties)"
        " SELECT tenant_id, lead_id, type, occurred_at, received_at, properties FROM leads_event"
        " WHERE tenant_id = %(tenant)s LIMIT 1",
        "doubled",
    ),
    "a clock is not woken": (
        "DELETE FROM core_duerow WHERE tenant_id = %(tenant)s AND kind = 'clock.share'",
        "missed",
    ),
    "a share was acted on twice": (
        "INSERT INTO leads_decision (tenant_id, lead_id, kind, topic, at, version_id, result, detail)"
        " SELECT tenant_id, lead_id, kind, topic, at, version_id, result, detail FROM leads_decision"
        " WHERE tenant_id = %(tenant)s AND kind = 'clock' AND detail ? 'percent' LIMIT 1",
        "doubled",
    ),
    "a submission is held": (
        "UPDATE leads_submission SET state = 'held' WHERE id IN"
        " (SELECT id FROM leads_submission WHERE tenant_id = %(tenant)s LIMIT 1)",
        "stuck",
    ),
    "a mail is called sent that never left": (
        "UPDATE nurturing_message SET message_id = 'other' WHERE id IN"
        " (SELECT id FROM nurturing_message WHERE tenant_id = %(tenant)s AND state = 'sent' LIMIT 1)",
        "lost",
    ),
    "a turn was given twice": (
        "UPDATE routing_pool SET turn = turn - 1 WHERE tenant_id = %(tenant)s AND turn > 0",
        "doubled",
    ),
}


def test_the_count_finds_what_it_is_for(opened: Opened) -> None:
    campaign, _skipped = opened
    with campaign.field(start_at=1_000_000) as at:
        played = campaign.play(at, Plan(1_000_000, "Valkey emptied", "escalation"))
        assert played.count.is_clean, played.count.words
        assert count(at, campaign.sink, {}).is_clean
        for what, (statement, kind) in HARM.items():
            before = count(at, campaign.sink, {})
            at.eye.see(statement, {"tenant": at.tenant_id})
            after = count(at, campaign.sink, {})
            assert getattr(after, kind) > getattr(before, kind), what


def test_the_same_seed_draws_the_same_rounds_and_another_one_draws_others() -> None:
    assert draw_plans(7, rounds=40) == draw_plans(7, rounds=40)
    assert draw_plans(7, rounds=40) != draw_plans(8, rounds=40)
    without = draw_plans(7, rounds=40, without=frozenset({"disk full"}))
    assert "disk full" not in {plan.fault for plan in without}

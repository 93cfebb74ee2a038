"""The fault campaign: its rounds in full by `make faults`, one of each cheap kind in `make test`."""

import random
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from tests.faults import campaign as campaigns
from tests.faults.campaign import (
    IS_FULL,
    WORKS,
    Campaign,
    Plan,
    Round,
    choose_seed,
    draw_plans,
    ended_in_order,
    open_campaign,
    reported,
)
from tests.faults.counting import Count, count, wait_until_quiet
from tests.faults.work import Field

pytestmark = [pytest.mark.fault, pytest.mark.slow, pytest.mark.xdist_group("faults")]

FULL_ROUNDS = 300
# What comes back without a Python process to be loaded anew takes seconds.
CHEAP = (
    ("session of PostgreSQL killed", "merge"),
    ("Valkey killed", "bulk"),
    ("import command killed", "import"),
    ("PostgreSQL killed", "publish"),
    ("Valkey emptied", "export"),
    ("workers stopped for six hours", "escalation"),
    ("two beats", "batch"),
    ("clock set back an hour", "send"),
    ("disk full", "batch"),
    ("worker killed", "erase"),
)

Opened = tuple[Campaign, frozenset[str]]


@pytest.fixture(scope="module")
def opened() -> Iterator[Opened]:
    """A running campaign, and the faults that are not possible on this machine."""
    with open_campaign(choose_seed()) as opened:
        yield opened


def test_nothing_is_lost_doubled_missed_or_stuck_whatever_dies_in_mid_work(opened: Opened) -> None:
    campaign, skipped = opened
    if IS_FULL:
        plans = draw_plans(campaign.seed, rounds=FULL_ROUNDS, without=skipped)
    else:
        cheap = [pair for pair in CHEAP if pair[0] not in skipped]
        plans = [Plan(number, *pair) for number, pair in enumerate(cheap, start=1)]
    with reported(campaign, planned=len(plans), skipped=skipped):
        campaign.run(plans)
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
    "somebody is told twice of the same": (
        "INSERT INTO core_notification (tenant_id, member_id, kind, values, lead_id, at)"
        " SELECT tenant_id, member_id, kind, values, lead_id, at FROM core_notification CROSS JOIN generate_series(1, 2)"
        " WHERE id = (SELECT min(id) FROM core_notification WHERE tenant_id = %(tenant)s AND kind LIKE '%%clock%%')",
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


_TOLD_TWICE = (
    "INSERT INTO tenancy_auditentry (tenant_id, at, act, subject, detail)"
    " SELECT tenant_id, at, act, subject, detail FROM tenancy_auditentry"
    " WHERE tenant_id = %(tenant)s AND act = '{}' ORDER BY id DESC LIMIT 1"
)
# The same of the kinds of work that people begin, each counted in the round in which it was.
HARM_OF = {
    "bulk": {
        "a lead of an act waits": (
            "UPDATE leads_bulklead SET outcome = NULL WHERE id IN"
            " (SELECT id FROM leads_bulklead WHERE tenant_id = %(tenant)s ORDER BY run_id DESC LIMIT 1)",
            "lost",
        ),
        "a lead was moved twice": (
            "INSERT INTO leads_stagechange (tenant_id, lead_id, from_stage, to_stage, at, act, reason, note)"
            " SELECT tenant_id, lead_id, from_stage, to_stage, at, act, reason, note FROM leads_stagechange"
            " WHERE tenant_id = %(tenant)s AND note LIKE 'lote %%' ORDER BY id DESC LIMIT 1",
            "doubled",
        ),
        "an act is told of twice": (_TOLD_TWICE.format("bulk.done"), "doubled"),
    },
    "export": {
        "a ZIP has lost a piece": (
            "DELETE FROM core_storedpiece WHERE file_id IN"
            " (SELECT file_id FROM leads_dataexport WHERE tenant_id = %(tenant)s ORDER BY id DESC LIMIT 1)",
            "lost",
        ),
        "a list has somebody twice": (
            "UPDATE core_storedpiece SET content = content || content WHERE file_id IN"
            " (SELECT file_id FROM leads_leadexport WHERE tenant_id = %(tenant)s AND format = 'csv')",
            "doubled",
        ),
        "a file is left of what died": (
            "INSERT INTO core_storedfile (tenant_id, name, size_bytes, made_at, expires_at)"
            " VALUES (%(tenant)s, 'left.zip', 0, now(), now())",
            "doubled",
        ),
        "an export is told of twice": (_TOLD_TWICE.format("data.exported"), "doubled"),
    },
    "merge": {
        "a row is left on a lead that is gone": (
            "UPDATE leads_event event SET lead_id = loser_id FROM leads_leadmerge done"
            " WHERE done.tenant_id = %(tenant)s AND done.undone_at IS NULL AND event.tenant_id = done.tenant_id"
            " AND event.lead_id = done.survivor_id",
            "lost",
        ),
        "an address is forgotten": ("DELETE FROM leads_leadalias WHERE tenant_id = %(tenant)s", "lost"),
        "a merge is told of twice": (_TOLD_TWICE.format("lead.merged"), "doubled"),
    },
    "erase": {
        "a text names somebody who was erased": (
            "UPDATE leads_stagechange SET note = (SELECT string_agg('Zenaide' || number || 'x', ' ')"
            " FROM generate_series(1, 50000) number)"
            " WHERE id IN (SELECT id FROM leads_stagechange WHERE tenant_id = %(tenant)s LIMIT 1)",
            "stuck",
        ),
        "a proof is written twice": (
            "INSERT INTO leads_erasure (tenant_id, lead_number, asked_by_name, asked_at, ground, keeps_out, state,"
            " identity_hash, counts, attempts) SELECT tenant_id, lead_number, asked_by_name, asked_at, ground, keeps_out,"
            " state, identity_hash, counts, attempts FROM leads_erasure WHERE tenant_id = %(tenant)s LIMIT 1",
            "doubled",
        ),
        "somebody is in again": (
            "UPDATE leads_leadstate SET stage = 'new' WHERE tenant_id = %(tenant)s AND stage_reason = 'erased'",
            "lost",
        ),
    },
}


def test_the_count_finds_what_it_is_for(opened: Opened) -> None:
    campaign, _skipped = opened
    with campaign.field(start_at=1_000_000) as at:
        played = campaign.play(at, Plan(1_000_000, "Valkey emptied", "escalation"))
        assert played.count.is_clean, played.count.words
        assert count(at, campaign.sink, {}).is_clean
        for kind, harm in HARM_OF.items():
            at.checks.clear()
            WORKS[kind](at, random.Random(kind))
            assert wait_until_quiet(at) == {}
            assert_counted(campaign, at, harm)
        assert_counted(campaign, at, HARM)


def assert_counted(campaign: Campaign, at: Field, harm: dict[str, tuple[str, str]]) -> None:
    for what, (statement, kind) in harm.items():
        before = count(at, campaign.sink, {})
        at.eye.see(statement, {"tenant": at.tenant_id})
        after = count(at, campaign.sink, {})
        assert getattr(after, kind) > getattr(before, kind), what


def test_a_campaign_that_is_ended_by_a_signal_says_how_far_it_came(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    page = tmp_path / "faults.md"
    page.write_text("Faults\n<!-- report -->\nthe last one\n<!-- end of report -->\n", "utf-8")
    monkeypatch.setattr(campaigns, "REPORT", page)
    monkeypatch.setattr(campaigns, "IS_FULL", True)
    nothing = cast(Any, None)
    campaign = Campaign(7, stack=nothing, hands=nothing, sink=nothing, folder=tmp_path)
    played = Round(
        Plan(1, "Valkey killed", "erase"),
        hit=True,
        recovery_seconds=1,
        done_seconds=2,
        count=Count(),
        seconds=3,
    )
    campaign.rounds.append(played)
    with ended_in_order(), reported(campaign, planned=3, skipped=frozenset()):  # noqa: SIM117
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
    said = page.read_text("utf-8")
    assert "1 of 3 rounds" in said
    assert "**Unfinished**" in said
    assert "the last one" not in said


def test_the_same_seed_draws_the_same_rounds_and_another_one_draws_others() -> None:
    assert draw_plans(7, rounds=40) == draw_plans(7, rounds=40)
    assert draw_plans(7, rounds=40) != draw_plans(8, rounds=40)
    without = draw_plans(7, rounds=40, without=frozenset({"disk full"}))
    assert "disk full" not in {plan.fault for plan in without}

"""After a fault: waiting until all is quiet, then counting what was lost, doubled, missed or is stuck."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import psycopg

from tests.faults.load import Book
from tests.faults.mail_sink import Sink
from tests.faults.work import Field

QUIET_SECONDS: Final = 90.0


@dataclass
class Count:
    """What one round came to. ``words`` tell of each thing that is not as it should be."""

    lost: int = 0
    doubled: int = 0
    missed: int = 0
    stuck: int = 0
    words: list[str] = field(default_factory=list)

    def note(self, what: str, kind: str, number: int) -> None:
        """Add ``number`` things to one of the four kinds."""
        if number:
            setattr(self, kind, getattr(self, kind) + number)
            self.words.append(f"{number} {kind}: {what}")

    @property
    def is_clean(self) -> bool:
        """Whether everything is as it should be."""
        return not self.words


# What is still to be done now. Everything that waits for a time of its own is not.
_LEFT: Final = """
SELECT 'submissions received', count(*) FROM leads_submission
    WHERE tenant_id = %(tenant)s AND state = 'received'
UNION ALL SELECT 'rows due: ' || kind, count(*) FROM core_duerow
    WHERE tenant_id = %(tenant)s AND due_at <= now() AND held_at IS NULL GROUP BY kind
UNION ALL SELECT 'messages due', count(*) FROM nurturing_message
    WHERE tenant_id = %(tenant)s AND state = 'queued' AND due_at <= now()
UNION ALL SELECT 'messages in hand', count(*) FROM nurturing_message
    WHERE tenant_id = %(tenant)s AND state = 'sending'
UNION ALL SELECT 'reruns under way', count(*) FROM leads_rerun
    WHERE tenant_id = %(tenant)s AND finished_at IS NULL
UNION ALL SELECT 'acts on many leads under way', count(*) FROM leads_bulkrun
    WHERE tenant_id = %(tenant)s AND state IN ('choose', 'run')
UNION ALL SELECT 'erasures under way', count(*) FROM leads_erasure
    WHERE tenant_id = %(tenant)s AND state = 'waiting'
UNION ALL SELECT 'exports under way', count(*) FROM leads_leadexport
    WHERE tenant_id = %(tenant)s AND state = 'build'
UNION ALL SELECT 'exports of everything under way', count(*) FROM leads_dataexport
    WHERE tenant_id = %(tenant)s AND state IN ('waiting', 'building')
"""


def wait_until_quiet(at: Field, *, seconds: float = QUIET_SECONDS) -> dict[str, int]:
    """Wait until nothing is left to do; what is left when the time is over.

    Pauses that are meant to pass are let pass: the half minute after which a submission whose sender has gone is taken up, the
    quarter of one for a lost wake-up of a rerun, an act on many leads or an export, the ten minutes after which a sending that
    nobody ends is given up.
    """
    deadline = time.monotonic() + seconds
    while left := what_is_left(at):
        at.waited_for = ", ".join(sorted(left))
        if time.monotonic() > deadline:
            return left
        if "the database" not in left:
            at.let_pauses_pass()
            if "messages in hand" in left:
                at.let_leases_pass()
        time.sleep(0.15)
    return {}


def what_is_left(at: Field) -> dict[str, int]:
    """What is still to be done, by kind."""
    try:
        rows = at.eye.see(_LEFT, {"tenant": at.tenant_id})
    except psycopg.Error:
        return {"the database": 1}
    left = {what: number for what, number in rows if number}
    if unanswered := at.load.unanswered():
        left["calls without an answer"] = unanswered
    if running := sum(not one.is_done() for one in at.errands):
        left["commands"] = running
    return left


def count(at: Field, sink: Sink, left: dict[str, int]) -> Count:
    """Count everything of the tenant, from its first round to now."""
    found = Count()
    for what, number in left.items():
        found.note(what, "stuck", number)

    def see(query: str) -> list[tuple[Any, ...]]:
        return at.eye.see_at_last(query, {"tenant": at.tenant_id})

    _count_leads(found, at.load.book, see(_LEADS))
    _count_attempts(found, at.load.book, Counter(note for (note,) in see(_ATTEMPTS)))
    _count_mails(found, sink, see(_MESSAGES))
    _count_clocks(found, see(_CLOCKS))
    for what, kind, number in see(_ODDITIES):
        found.note(what, kind, number)
    for check in at.checks:
        for what, kind, number in check():
            found.note(what, kind, number)
    for one in at.errands:
        found.note(f"{one.path}: {one.child.result()}", "lost", one.miscounted())
    for refusal in at.load.book.refusals:
        found.note(f"refused {refusal}", "lost", 1)
    at.errands.clear()
    at.load.book.refusals.clear()
    return found


_LEADS: Final = """
SELECT lead.email, count(DISTINCT lead.id),
       count(event.id) FILTER (WHERE event.type IN ('form_submitted', 'page_viewed'))
FROM leads_lead lead LEFT JOIN leads_event event ON event.tenant_id = lead.tenant_id AND event.lead_id = lead.id
WHERE lead.tenant_id = %(tenant)s AND lead.email IS NOT NULL GROUP BY lead.email
"""


def _count_leads(found: Count, book: Book, rows: Sequence[tuple[str, int, int]]) -> None:
    """Who was accepted is there once with every event; who got no answer is there at most once."""
    have = {email: (leads, events) for email, leads, events in rows if email not in book.others}
    for promise in book.promises:
        leads, events = have.pop(promise.email, (0, 0))
        if promise.accepted:
            found.note(f"lead {promise.email}", "lost", int(leads == 0))
            found.note(f"events of {promise.email}", "lost", max(0, promise.events - events) if leads else 0)
        found.note(f"lead {promise.email}", "doubled", max(0, leads - 1))
        found.note(f"events of {promise.email}", "doubled", max(0, events - promise.events))
    found.note(f"leads that nobody sent: {sorted(have)[:5]}", "doubled", len(have))


_ATTEMPTS: Final = "SELECT note FROM leads_contactattempt WHERE tenant_id = %(tenant)s"


def _count_attempts(found: Count, book: Book, have: Counter[str]) -> None:
    for attempt in book.attempts:
        found.note("attempt", "lost", int(attempt.accepted and not have[attempt.note]))
        found.note("attempt", "doubled", max(0, have[attempt.note] - 1))


_MESSAGES: Final = """
SELECT message_id, state, enrollment_id, step FROM nurturing_message WHERE tenant_id = %(tenant)s
"""


def _count_mails(found: Count, sink: Sink, rows: Sequence[tuple[str, str, int, str]]) -> None:
    """What is called sent arrived once; of what is unknown one copy or none; nothing else arrived."""
    for message_id, state, enrollment_id, step in rows:
        arrived = sink.taken[message_id]
        what = f"mail {step} of enrolment {enrollment_id}, {state}"
        found.note(what, "doubled", max(0, arrived - 1))
        found.note(what, "lost", int(state == "sent" and arrived == 0))
        found.note(what, "doubled", int(state not in {"sent", "unknown"} and arrived == 1))
        found.note(what, "lost", int(state in {"failed", "kept"}))


# A share of a clock's time is acted on once, whatever happened, also where its lead was another one's for a time.
_CLOCKS: Final = """
WITH acted AS MATERIALIZED (
    SELECT (detail->>'clock')::bigint AS clock, (detail->>'percent')::int AS percent, count(*) AS times
    FROM leads_decision WHERE tenant_id = %(tenant)s AND kind = 'clock' AND detail ? 'percent' GROUP BY 1, 2
)
SELECT clock.id, clock.kind, clock.state, share.percent,
       clock.started_at + (clock.due_at - clock.started_at) * share.percent / 100.0 < now() - interval '5 seconds',
       coalesce(acted.times, 0)
FROM routing_clock clock CROSS JOIN unnest(ARRAY[50, 80, 100, 150, 200]) AS share (percent)
LEFT JOIN acted ON acted.clock = clock.id AND acted.percent = share.percent
WHERE clock.tenant_id = %(tenant)s
"""


def _count_clocks(found: Count, rows: Sequence[tuple[int, str, str, int, bool, int]]) -> None:
    for clock_id, kind, state, percent, has_passed, acted in rows:
        what = f"{percent} % of clock {clock_id} ({kind}, {state})"
        found.note(what, "doubled", max(0, acted - 1))
        is_open = state in {"running", "broken"}
        found.note(what, "missed", int(is_open and has_passed and not acted))


# Each row is an Oddity. What explained an owner is put aside where leads are merged, and empty where they were erased.
_ODDITIES: Final = """
WITH turns AS (
    SELECT detail->'pool'->>'key' AS pool, detail->>'turn' AS turn FROM leads_decision
    WHERE tenant_id = %(tenant)s AND kind = 'owner' AND detail->'pool' IS NOT NULL
    UNION ALL
    SELECT aside->'detail'->'pool'->>'key', aside->'detail'->>'turn'
    FROM leads_leadmerge, jsonb_array_elements(record->'aside'->'leads_decision') AS aside
    WHERE tenant_id = %(tenant)s AND aside->>'kind' = 'owner' AND aside->'detail'->'pool' IS NOT NULL
)
SELECT 'leads held', 'stuck', count(*) FROM leads_heldlead WHERE tenant_id = %(tenant)s
UNION ALL SELECT 'submissions held or refused', 'stuck', count(*) FROM leads_submission
    WHERE tenant_id = %(tenant)s AND (state = 'held' OR state = 'refused' AND payload <> '{}')
UNION ALL SELECT 'due rows held: ' || min(error), 'stuck', count(*) FROM core_duerow
    WHERE tenant_id = %(tenant)s AND held_at IS NOT NULL HAVING count(*) > 0
UNION ALL SELECT 'due rows that failed: ' || min(error), 'stuck', count(*) FROM core_duerow
    WHERE tenant_id = %(tenant)s AND held_at IS NULL AND attempts > 0 HAVING count(*) > 0
UNION ALL SELECT 'open clocks that nothing wakes', 'missed', count(*) FROM routing_clock clock
    WHERE clock.tenant_id = %(tenant)s AND clock.state IN ('running', 'broken') AND clock.next_share IS NOT NULL
      AND NOT EXISTS (SELECT FROM core_duerow due WHERE due.tenant_id = clock.tenant_id
                      AND due.kind = 'clock.share' AND due.subject = clock.id)
UNION ALL SELECT 'leads in mql without a clock', 'missed', count(*) FROM leads_leadstate state
    WHERE state.tenant_id = %(tenant)s AND state.stage = 'mql'
      AND NOT EXISTS (SELECT FROM routing_clock clock WHERE clock.tenant_id = state.tenant_id
                      AND clock.lead_id = state.lead_id AND clock.state IN ('running', 'broken'))
UNION ALL SELECT 'leads in mql without an owner', 'lost', count(*) FROM leads_leadstate
    WHERE tenant_id = %(tenant)s AND stage = 'mql' AND owner_sdr_id IS NULL
UNION ALL SELECT 'enrolments that nothing wakes', 'stuck', count(*) FROM nurturing_enrollment enrollment
    WHERE enrollment.tenant_id = %(tenant)s AND enrollment.state = 'active'
      AND NOT EXISTS (SELECT FROM core_duerow due WHERE due.tenant_id = enrollment.tenant_id
                      AND due.kind = 'enrollment.step' AND due.subject = enrollment.id)
UNION ALL SELECT 'mails that finished enrolments never wrote', 'lost', count(*) FROM nurturing_enrollment enrollment
    WHERE enrollment.tenant_id = %(tenant)s AND enrollment.state = 'finished'
      AND (SELECT count(*) FROM nurturing_message message WHERE message.tenant_id = enrollment.tenant_id
           AND message.enrollment_id = enrollment.id) <> 2
-- Of many clocks by one act: two acts may have told of as many, each in a transaction of its own.
UNION ALL SELECT 'people told twice: ' || min(kind), 'doubled', count(*) FROM (
    SELECT kind FROM core_notification WHERE tenant_id = %(tenant)s AND kind LIKE '%%clock%%'
    GROUP BY member_id, lead_id, kind, values, CASE WHEN lead_id IS NULL THEN xmin::text END HAVING count(*) > 1
    ) AS told HAVING count(*) > 0
UNION ALL SELECT 'turns given twice or left out', 'doubled', count(*) FROM (
    SELECT pool.id FROM routing_pool pool LEFT JOIN turns ON turns.pool = pool.key
    WHERE pool.tenant_id = %(tenant)s GROUP BY pool.id, pool.turn
    HAVING count(turns.turn) <> count(DISTINCT turns.turn)
        OR pool.turn NOT BETWEEN count(turns.turn) AND count(turns.turn) + (
            SELECT count(*) FROM leads_decision WHERE tenant_id = %(tenant)s AND kind = 'owner' AND detail = '{}')
    ) AS pools
UNION ALL SELECT 'acts on many leads without one entry', 'doubled', count(*) FROM leads_bulkrun run
    WHERE run.tenant_id = %(tenant)s AND 1 <> (
        SELECT count(*) FROM tenancy_auditentry entry WHERE entry.tenant_id = run.tenant_id
        AND entry.act LIKE 'bulk.%%' AND entry.detail->>'run' = run.id::text)
UNION ALL SELECT 'leads without an address who were not erased', 'lost', count(*) FROM leads_lead lead
    WHERE lead.tenant_id = %(tenant)s AND lead.email IS NULL AND NOT EXISTS (
        SELECT FROM leads_erasure proof
        WHERE proof.tenant_id = lead.tenant_id AND proof.lead_number = lead.id AND proof.state = 'done')
"""

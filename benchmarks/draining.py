"""What nobody waits for: a backlog taken in by two workers, and how soon a submission is a lead at half that rate."""

import os
import random
import statistics
import time
from typing import Any

from benchmarks.capture import new_lead
from benchmarks.place import LARGE, SIZES
from benchmarks.report import Finding, limited
from benchmarks.workers import WORKERS, workers

SUBMISSIONS = int(os.environ.get("LEADSYS_BENCH_SUBMISSIONS", "20000"))
PROMISED_PER_SECOND = 2000
VISIBLE_WITHIN_MS = 1000.0
# How long the steady load lasts, and how it comes in.
STEADY_SECONDS = 10
STEADY_BATCH = 20
# Its beginning, in which caches fill and statements are prepared, is not counted.
WARM_UP_SECONDS = 2
EVENTS = ("page_viewed", "page_viewed", "pricing_viewed", "content_downloaded", "form_submitted")


def measure_draining(tenants: dict[str, int]) -> list[Finding]:
    """Leads a second of a backlog with five events each, then how late the slowest twentieth is."""
    tenant_id = tenants[LARGE]
    with workers():
        # The first ones prepare their statements.
        wait_for(tenant_id, receive(tenant_id, 2000))
        ids = receive(tenant_id, SUBMISSIONS)
        began = time.perf_counter()
        wake(tenant_id)
        wait_for(tenant_id, ids)
        per_second = SUBMISSIONS / (time.perf_counter() - began)
        late = steady(tenant_id, per_second=PROMISED_PER_SECOND // 2)
    late.sort()
    slow = late[int(len(late) * 0.95)]
    return [
        Finding(
            "draining a backlog, five events a lead, two workers",
            SUBMISSIONS,
            f"{per_second:,.0f}/s",
            f"{PROMISED_PER_SECOND:,}/s",
            PROMISED_PER_SECOND / per_second,
            1,
            detail=f"in the tenant of {SIZES[LARGE]:,} leads",
        ),
        limited(
            f"visible at {PROMISED_PER_SECOND // 2:,} submissions/s, 95 % within",
            STEADY_SECONDS * PROMISED_PER_SECOND // 2,
            slow,
            VISIBLE_WITHIN_MS,
            detail=f"median {statistics.median(late):.0f} ms of {len(late)} looked at",
        ),
    ]


def with_events(dice: random.Random) -> dict[str, Any]:
    """Somebody nobody has heard of, with what they did before they left their name."""
    body = new_lead(dice)
    del body["event"]
    properties = {"form_submitted": {"kind": "newsletter"}}
    return body | {"events": [{"type": each, "properties": properties.get(each, {})} for each in EVENTS]}


def receive(tenant_id: int, count: int) -> list[int]:
    """Commit raw submissions, as the door does for a caller who does not wait."""
    from django.utils import timezone

    from leads.capture import receiving

    dice = random.Random(time.time_ns())
    ids: list[int] = []
    while len(ids) < count:
        raws = [
            receiving.Raw(payload=with_events(dice), source="api")
            for _each in range(min(500, count - len(ids)))
        ]
        now = timezone.now()
        ids += receiving.receive(tenant_id=tenant_id, raws=raws, now=now, due_at=now)
    return ids


def wake(tenant_id: int) -> None:
    """As the door does."""
    from leads.capture.receiving import wake_processing

    for _worker in range(WORKERS):
        wake_processing(tenant_id=tenant_id)
        time.sleep(0.12)


def wait_for(tenant_id: int, ids: list[int]) -> None:
    """Until all of these are processed. Raises TimeoutError, AssertionError if one was refused or held."""
    from django.db import connection

    from tenancy.scope import tenant_scope

    until = time.monotonic() + 300
    while time.monotonic() < until:
        with tenant_scope(tenant_id), connection.cursor() as cursor:
            cursor.execute(
                "SELECT state, count(*) FROM leads_submission WHERE id BETWEEN %s AND %s GROUP BY state",
                [ids[0], ids[-1]],
            )
            states = dict(cursor.fetchall())
        if not states.get("received"):
            assert states == {"processed": len(ids)}, f"Not all went through: {states}."
            return
        time.sleep(0.05)
    raise TimeoutError("The workers did not get through.")


def steady(tenant_id: int, *, per_second: int) -> list[float]:
    """Milliseconds from the commit of a submission until it is seen processed, of one in each batch that comes in."""
    from leads.capture.receiving import wake_processing

    late: list[float] = []
    waiting: dict[int, float] = {}
    began = time.perf_counter()
    sent = 0
    while (elapsed := time.perf_counter() - began) < STEADY_SECONDS or waiting:
        if elapsed < STEADY_SECONDS and sent < elapsed * per_second:
            ids = receive(tenant_id, STEADY_BATCH)
            wake_processing(tenant_id=tenant_id)
            sent += STEADY_BATCH
            if elapsed > WARM_UP_SECONDS:
                waiting[ids[-1]] = time.perf_counter()
        else:
            time.sleep(0.01)
        seen = list_processed(tenant_id, list(waiting))
        now = time.perf_counter()
        late += [(now - waiting.pop(submission_id)) * 1000 for submission_id in seen]
        if elapsed > 10 * STEADY_SECONDS:
            raise TimeoutError("The workers did not keep up.")
    return late


def list_processed(tenant_id: int, submission_ids: list[int]) -> list[int]:
    """Those of these submissions that are no longer waiting."""
    from django.db import connection

    from tenancy.scope import tenant_scope

    if not submission_ids:
        return []
    with tenant_scope(tenant_id), connection.cursor() as cursor:
        cursor.execute(
            "SELECT id FROM leads_submission WHERE id = ANY (%s::bigint[]) AND state <> 'received'",
            [submission_ids],
        )
        return [submission_id for (submission_id,) in cursor.fetchall()]

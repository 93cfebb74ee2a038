"""Publishing a model of twenty rules over all leads of the large tenant, against one statement written by hand.

Both read the same events under row security, and write the same scores and (rule, points) pairs: the statement into copies of
the two tables with all their indexes, ours where they belong, through two Celery workers that take the batches. Then every
lead's score and pairs are compared.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, Final

import psycopg

from benchmarks.place import LARGE, owner_connection
from benchmarks.report import Finding
from benchmarks.workers import WORKERS, workers

PATIENCE_SECONDS: Final = 900
# Id, type of event, points, cap, window in days, count. The windows end where the data have few events.
EVENT_RULES: Final = (
    ("demo", "form_submitted", 30, 60, 90, "each"),
    ("contact", "form_submitted", 25, 50, 90, "each"),
    ("newsletter", "form_submitted", 5, 10, 90, "each"),
    ("ebook", "form_submitted", 8, 16, 90, "each"),
    ("pages", "page_viewed", 1, 10, 14, "daily"),
    ("pages_ever", "page_viewed", 1, 5, None, "each"),
    ("pricing", "pricing_viewed", 5, 15, 14, "each"),
    ("pricing_ever", "pricing_viewed", 2, 6, None, "first"),
    ("content", "content_downloaded", 10, 30, 60, "each"),
    ("content_days", "content_downloaded", 2, 8, 60, "daily"),
    ("webinar", "webinar_attended", 20, 40, 60, "each"),
    ("clicks", "email_clicked", 5, 20, 30, "each"),
    ("opens", "email_opened", 1, 5, 30, "each"),
    ("opens_ever", "email_opened", 1, 3, None, "daily"),
    ("chat", "chat_started", 6, 12, None, "each"),
    ("careers", "careers_viewed", -20, -20, 90, "each"),
    ("gone", "unsubscribed", -30, None, None, "first"),
)
FORM_KINDS: Final = frozenset({"demo", "contact", "newsletter", "ebook"})


def measure_rescore(tenants: dict[str, int]) -> list[Finding]:
    """Leads a second of both, and how many leads they agree on."""
    tenant_id = tenants[LARGE]
    leads, events, boost = prepare(tenant_id)
    began_at, bare_seconds = run_by_hand(tenant_id, boost)
    with workers():
        ours_seconds, version_id = publish_and_wait(tenant_id, boost)
    ended_at = began_at + timedelta(seconds=bare_seconds + ours_seconds + 60)
    compared, paired, differing, left_out = compare(tenant_id, version_id, began_at, ended_at)
    return [
        Finding(
            "rescore, 20 rules published over every lead",
            leads,
            f"{leads / ours_seconds:,.0f} leads/s",
            f"{leads / bare_seconds:,.0f} leads/s",
            ours_seconds / bare_seconds,
            2,
            detail=f"{events:,} events, {WORKERS} workers, {ours_seconds:.0f} s against {bare_seconds:.0f} s",
        ),
        Finding(
            "rescore, leads whose score or points differ from the statement's",
            compared,
            f"{differing}",
            "0",
            float(differing),
            0,
            detail=f"scores of {compared:,}, points of {paired:,}; {left_out:,} with an event at a window's end left out",
        ),
    ]


def document(boost: int) -> dict[str, Any]:
    """The model; ``boost`` makes it differ from the one published before, so that there is something to write."""
    rules: list[dict[str, Any]] = []
    for rule_id, event_type, points, cap, window, count in EVENT_RULES:
        kind = {"fact": "properties.kind", "op": "eq", "value": rule_id} if rule_id in FORM_KINDS else None
        rule: dict[str, Any] = {
            "id": rule_id,
            "label": rule_id,
            "points": str(points),
            "event": {"type": event_type, "where": kind},
            "count": count,
        }
        rule |= {"cap": str(cap)} if cap is not None else {}
        rules.append(rule | ({"window_days": window} if window is not None else {}))
    rules += [
        {
            "id": "country",
            "label": "country",
            "points": str(boost),
            "when": {"fact": "country", "op": "in", "value": ["BR", "PT"]},
        },
        {
            "id": "manager",
            "label": "manager",
            "points": "4",
            "when": {"fact": "seniority", "op": "eq", "value": "manager"},
        },
        {
            "id": "free_mail",
            "label": "free_mail",
            "points": "-3",
            "when": {"fact": "email_kind", "op": "eq", "value": "free"},
        },
    ]
    return {"rules": rules, "model_cap": None}


def by_hand(target: str, decisions: str) -> str:
    """The statement: the same scores and pairs, as somebody who knows the tables would write it."""
    counts, terms, pairs = [], [], []
    for rule_id, event_type, points, cap, window, count in EVENT_RULES:
        where = f"type = '{event_type}'"
        if rule_id in FORM_KINDS:
            where += f" AND properties ->> 'kind' = '{rule_id}'"
        if window is not None:
            where += f" AND occurred_at > %(now)s - interval '{24 * window} hours'"
        number = {
            "each": f"count(*) FILTER (WHERE {where})",
            "first": f"LEAST(1, count(*) FILTER (WHERE {where}))",
            "daily": f"count(DISTINCT day) FILTER (WHERE {where})",
        }[count]
        counts.append(f"{number} AS {rule_id}")
        term = f"COALESCE(counted.{rule_id}, 0) * {points}"
        bounded = term if cap is None else f"{'LEAST' if cap > 0 else 'GREATEST'}({term}, {cap})"
        terms.append(f"{bounded} AS {rule_id}")
    terms += [
        "CASE WHEN lead.country IN ('BR', 'PT') THEN %(boost)s ELSE 0 END AS country",
        "CASE WHEN lead.seniority = 'manager' THEN 4 ELSE 0 END AS manager",
        "CASE WHEN lead.email_kind = 'free' THEN -3 ELSE 0 END AS free_mail",
    ]
    names = [rule[0] for rule in EVENT_RULES] + ["country", "manager", "free_mail"]
    pairs = [f"'{name}', NULLIF({name}, 0)::text" for name in names]
    return f"""
        WITH scored AS (
            SELECT lead_id, GREATEST(0, {" + ".join(names)}) AS score,
                jsonb_strip_nulls(jsonb_build_object({", ".join(pairs)})) AS points
            FROM (
                SELECT lead.id AS lead_id, {", ".join(terms)}
                FROM leads_lead lead LEFT JOIN (
                    SELECT lead_id, {", ".join(counts)}
                    FROM (
                        SELECT lead_id, type, occurred_at, properties, (occurred_at AT TIME ZONE %(zone)s)::date AS day
                        FROM leads_event WHERE occurred_at <= %(now)s
                    ) event
                    GROUP BY lead_id
                ) counted ON counted.lead_id = lead.id
            ) each_rule
        ), changed AS (
            UPDATE {target} state SET score = scored.score
            FROM scored WHERE state.lead_id = scored.lead_id AND state.score <> scored.score
            RETURNING state.lead_id
        )
        INSERT INTO {decisions} (tenant_id, lead_id, kind, topic, at, version_id, result, detail)
        SELECT %(tenant)s, lead_id, 'score', '', %(now)s, NULL, score::text, jsonb_build_object('points', points)
        FROM scored JOIN changed USING (lead_id)
    """


def prepare(tenant_id: int) -> tuple[int, int, int]:
    """Copies of the two tables for the statement; gives the number of leads and events, and the boost of this run."""
    from leads.models import RuleKind, RuleVersion
    from tenancy.scope import tenant_scope

    with tenant_scope(tenant_id):
        boost = 5 + 2 * (RuleVersion.objects.filter(kind=RuleKind.SCORING).count() % 3)
    with scoped_owner(tenant_id) as owner:
        for table in ("leads_leadstate", "leads_decision"):
            owner.execute(f"DROP TABLE IF EXISTS bench_{table}")
            owner.execute(f"CREATE TABLE bench_{table} (LIKE {table} INCLUDING ALL)")
            owner.execute(f"INSERT INTO bench_{table} SELECT * FROM {table}")
            owner.execute(f"VACUUM (ANALYZE) bench_{table}")
        owner.execute(
            "SELECT setval(pg_get_serial_sequence('bench_leads_decision', 'id'), COALESCE(max(id), 1)) FROM bench_leads_decision"
        )
        counted = owner.execute(
            "SELECT (SELECT count(*) FROM leads_lead), (SELECT count(*) FROM leads_event)"
        ).fetchone()
        assert counted is not None
        return counted[0], counted[1], boost


@contextmanager
def scoped_owner(tenant_id: int) -> Iterator[psycopg.Connection]:
    """The tables' owner in the tenant's scope for a whole session: row security binds it as it binds the application."""
    with owner_connection() as owner:
        owner.execute("SELECT set_config('leadsys.tenant_id', %s, false)", [str(tenant_id)])
        yield owner


def run_by_hand(tenant_id: int, boost: int) -> tuple[datetime, float]:
    """When the statement read the clock, and the seconds it took."""
    from django.utils import timezone

    from tenancy.models import Tenant

    now = timezone.now()
    values = {
        "now": now,
        "tenant": tenant_id,
        "boost": boost,
        "zone": Tenant.objects.get(pk=tenant_id).time_zone,
    }
    with scoped_owner(tenant_id) as owner:
        began = time.perf_counter()
        owner.execute(by_hand("bench_leads_leadstate", "bench_leads_decision"), values)
        return now, time.perf_counter() - began


def publish_and_wait(tenant_id: int, boost: int) -> tuple[float, int]:
    """Seconds from the publication to the end of the last batch, and the version that was published."""
    from django.utils import timezone

    from leads.models import Rerun, RuleKind
    from leads.versions import publish_version, save_draft
    from tenancy.scope import tenant_scope

    began = time.perf_counter()
    with tenant_scope(tenant_id):
        now = timezone.now()
        draft = save_draft(kind=RuleKind.SCORING, document=document(boost), by=None, now=now)
        version = publish_version(version=draft, by=None, now=now)
    while time.perf_counter() - began < PATIENCE_SECONDS:
        time.sleep(0.2)
        with tenant_scope(tenant_id):
            if Rerun.objects.filter(version=version, finished_at__isnull=False).exists():
                return time.perf_counter() - began, version.pk
    raise TimeoutError("The rerun has not come to an end.")


def compare(
    tenant_id: int, version_id: int, began_at: datetime, ended_at: datetime
) -> tuple[int, int, int, int]:
    """Leads compared, those of them whose pairs were, those that differ, those left out since time itself changed them."""
    windows = sorted({window for *_rest, window, _count in EVENT_RULES if window is not None})
    ends = [f"{24 * days} * interval '1 hour'" for days in windows]
    crossing = " OR ".join(
        f"occurred_at BETWEEN %(began)s - {end} AND %(ended)s - {end}" for end in ["interval '0'", *ends]
    )
    with scoped_owner(tenant_id) as owner:
        # Everything is compared with everything: what is known of the tables makes it look small.
        owner.execute("SET enable_nestloop = off")
        row = owner.execute(
            f"""
            WITH crossing AS (
                SELECT DISTINCT lead_id FROM leads_event WHERE {crossing}
            ), ours AS (
                SELECT lead_id, detail -> 'points' AS points FROM leads_decision
                WHERE kind = 'score' AND version_id = %(version)s
            ), theirs AS (
                SELECT lead_id, detail -> 'points' AS points FROM bench_leads_decision
                WHERE kind = 'score' AND at = %(began)s AND version_id IS NULL
            ), both_sides AS (
                SELECT state.lead_id, state.score IS DISTINCT FROM bench.score AS other_score,
                    ours.points AS ours, theirs.points AS theirs
                FROM leads_leadstate state
                FULL JOIN bench_leads_leadstate bench ON bench.lead_id = state.lead_id
                LEFT JOIN ours ON ours.lead_id = state.lead_id
                LEFT JOIN theirs ON theirs.lead_id = state.lead_id
            )
            SELECT count(*) FILTER (WHERE crossing.lead_id IS NULL),
                count(ours) FILTER (WHERE crossing.lead_id IS NULL),
                count(*) FILTER (WHERE crossing.lead_id IS NULL AND (other_score OR ours IS DISTINCT FROM theirs)),
                count(*) FILTER (WHERE crossing.lead_id IS NOT NULL)
            FROM both_sides LEFT JOIN crossing USING (lead_id)
            """,
            {"began": began_at, "ended": ended_at, "version": version_id},
        ).fetchone()
        for table in ("leads_leadstate", "leads_decision"):
            owner.execute(f"DROP TABLE bench_{table}")
    assert row is not None
    return row

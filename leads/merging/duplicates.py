"""Who may be the same person: searched for once a night, or when somebody asks, and proposed until somebody says no.

Leads that share a key stand in one block, and only leads of one block are compared; a block that is larger than its cap says
nothing (a switchboard's number, a shared mailbox) and is left out. So the work grows with the leads, not with their pairs.

A reason is looked for slice by slice, each a transaction of its own: a slice is a part of the keys, with all leads that have one.
The pairs that were found are kept with the search until the last slice, so a worker that dies loses no slice but its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from math import ceil
from typing import Final
from zoneinfo import ZoneInfo

from django.db import connection
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from core.due import DueKind, register_due_kind, schedule
from core.tasks import system_task
from leads.models import DuplicateProposal, DuplicateReason, DuplicateSearch, Lead
from leads.selectors import is_lead_id
from tenancy.errors import NotFound
from tenancy.keyset import Page, page_by_key
from tenancy.models import Membership, Tenant
from tenancy.rights import require
from tenancy.scope import TenantSuspended, tenant_scope

SEARCH_KIND: Final = "duplicates.search"
# In the zone of the tenant.
NIGHT_HOUR: Final = 3
PAGE_SIZE: Final = 50
# So many pairs a reason and search, the first by the leads' numbers.
MOST_PAIRS: Final = 50_000
# Some seconds' work, whatever the tenant has.
KEYS_A_SLICE: Final = 400_000
# Two reasons are more than the better one.
MORE_REASONS: Final = 5


class ProposalNotFound(NotFound):
    """There is no such proposal."""


@dataclass(frozen=True)
class Rule:
    """One reason. ``keys`` gives ``(id, key)``, at most ``keys_a_lead`` of each; ``pairs`` narrows pairs ``a`` and ``b`` with one
    key, by their ``email`` and ``name_key``; ``confidence`` is a number of per cent or an expression over them."""

    reason: DuplicateReason
    keys: str
    cap: int
    confidence: str
    pairs: str = "true"
    keys_a_lead: int = 1


_LOCAL: Final = "translate(split_part(split_part({0}.email, '@', 1), '+', 1), '._-', '')"
_DOMAIN: Final = "split_part({0}.email, '@', 2)"
_SAME_NAME: Final = "a.name_key = b.name_key"
_OTHER_NAME: Final = "a.name_key <> b.name_key"
# One letter more, one less, or another one.
_ONE_EDIT: Final = f"""
EXISTS (
    SELECT FROM (SELECT {_LOCAL.format("a")} AS x, {_LOCAL.format("b")} AS y) each
    CROSS JOIN LATERAL generate_series(1, GREATEST(length(x), length(y))) AS place
    WHERE x <> y
        AND translate(x, '0123456789', '') <> translate(y, '0123456789', '')
        AND CASE length(x) - length(y)
            WHEN 0 THEN left(x, place - 1) || substr(x, place + 1) = left(y, place - 1) || substr(y, place + 1)
            WHEN 1 THEN left(x, place - 1) || substr(x, place + 1) = y
            WHEN -1 THEN left(y, place - 1) || substr(y, place + 1) = x
            ELSE false
        END
)
"""
# An edit lies in one half of a word, so that the other half is the same in both. ``size`` is the length of the shorter one.
_HALVES: Final = f"""
SELECT id, domain || ' ' || size || side || CASE side WHEN '<' THEN left(local, size / 2) ELSE right(local, size - size / 2) END
FROM (
    SELECT lead.id, {_DOMAIN.format("lead")} AS domain, {_LOCAL.format("lead")} AS local
    FROM leads_lead lead WHERE lead.email IS NOT NULL
) address
CROSS JOIN LATERAL (VALUES (length(local)), (length(local) - 1)) AS sizes (size)
CROSS JOIN (VALUES ('<'), ('>')) AS sides (side)
WHERE length(local) >= 6
"""  # noqa: S608 - expressions of our own

RULES: Final = (
    Rule(
        DuplicateReason.PHONE,
        keys="SELECT id, phone FROM leads_lead WHERE phone ^@ '+'",
        cap=5,
        confidence=f"CASE WHEN {_OTHER_NAME} THEN 45 ELSE 90 END",
    ),
    Rule(
        DuplicateReason.NAME_AND_COMPANY,
        keys="SELECT id, company_id || ' ' || name_key FROM leads_lead WHERE company_id IS NOT NULL AND name_key LIKE '% %'",
        cap=10,
        confidence="85",
    ),
    Rule(
        DuplicateReason.SAME_ADDRESS,
        keys=f"SELECT id, {_DOMAIN.format('lead')} || ' ' || {_LOCAL.format('lead')} FROM leads_lead lead"  # noqa: S608
        " WHERE email IS NOT NULL",
        cap=5,
        confidence=f"CASE WHEN {_OTHER_NAME} THEN 60 ELSE 95 END",
    ),
    Rule(
        DuplicateReason.SIMILAR_ADDRESS,
        keys=_HALVES,
        cap=30,
        # Maria and Mario at one company are two people.
        pairs=f"({_OTHER_NAME}) IS NOT TRUE AND {_ONE_EDIT}",
        confidence=f"CASE WHEN {_SAME_NAME} THEN 85 ELSE 55 END",
        keys_a_lead=4,
    ),
)

# What is found joins what the slices before have found.
_FIND: Final = """
WITH keyed (id, key) AS MATERIALIZED (
    SELECT every.id, every.key FROM ({keys}) AS every (id, key)
    WHERE (hashtextextended(every.key, 0) & 2147483647) %% %(slices)s = %(slice)s
),
blocks AS MATERIALIZED (SELECT key FROM keyed GROUP BY key HAVING count(*) BETWEEN 2 AND {cap:d}),
members AS MATERIALIZED (
    SELECT keyed.key, lead.id, lead.email, lead.name_key
    FROM keyed JOIN blocks USING (key) JOIN leads_lead lead ON lead.id = keyed.id
),
found AS (
    SELECT DISTINCT a.id AS first_id, b.id AS second_id, {confidence} AS confidence
    FROM members a JOIN members b ON b.key = a.key AND b.id > a.id
    WHERE {pairs}
    ORDER BY first_id, second_id LIMIT %(most)s
),
kept AS (
    SELECT DISTINCT ON (first_id, second_id) first_id, second_id, confidence FROM (
        SELECT first_id, second_id, confidence, 1 AS slice FROM found
        UNION ALL
        SELECT (pair->>0)::bigint, (pair->>1)::bigint, (pair->>2)::int, 0
        FROM leads_duplicatesearch search CROSS JOIN jsonb_array_elements(search.found) AS pair
        WHERE search.id = %(search)s
    ) AS every
    ORDER BY first_id, second_id, slice DESC LIMIT %(most)s
)
UPDATE leads_duplicatesearch SET found = (
    SELECT COALESCE(jsonb_agg(jsonb_build_array(first_id, second_id, confidence)), '[]') FROM kept
)
WHERE id = %(search)s
"""
_PROPOSE: Final = """
INSERT INTO leads_duplicateproposal AS kept (tenant_id, first_id, second_id, reasons, confidence, found_at)
SELECT search.tenant_id, a.id, b.id, ARRAY[%(reason)s]::varchar[], (pair->>2)::int, search.started_at
FROM leads_duplicatesearch search CROSS JOIN jsonb_array_elements(search.found) AS pair
JOIN leads_lead a ON a.id = (pair->>0)::bigint JOIN leads_lead b ON b.id = (pair->>1)::bigint
WHERE search.id = %(search)s
ORDER BY a.id, b.id
ON CONFLICT (tenant_id, first_id, second_id) DO UPDATE
SET reasons = CASE WHEN kept.found_at = EXCLUDED.found_at AND NOT EXCLUDED.reasons <@ kept.reasons
        THEN kept.reasons || EXCLUDED.reasons ELSE EXCLUDED.reasons END,
    confidence = CASE WHEN kept.found_at = EXCLUDED.found_at AND NOT EXCLUDED.reasons <@ kept.reasons
        THEN LEAST(99, GREATEST(kept.confidence, EXCLUDED.confidence) + %(more)s) ELSE EXCLUDED.confidence END,
    found_at = EXCLUDED.found_at
WHERE kept.dismissed_at IS NULL
"""


def start_search(*, now: datetime) -> DuplicateSearch:
    """Search for duplicates, by a worker; a search that is under way goes on."""
    running: DuplicateSearch | None = _searches().filter(finished_at__isnull=True).first()
    search = running or DuplicateSearch.objects.create(started_at=now)
    schedule(kind=SEARCH_KIND, due={search.pk: now})
    return search


def last_search() -> DuplicateSearch | None:
    """The newest search, which may be under way."""
    return _searches().order_by("-pk").first()


def _searches() -> QuerySet[DuplicateSearch]:
    """Without the pairs that were found: they are the database's."""
    rows: QuerySet[DuplicateSearch] = DuplicateSearch.objects.defer("found")
    return rows


def advance_search(*, search: DuplicateSearch, now: datetime) -> bool:
    """Look through the next slice; whether there is more to do. At the end proposals for which nothing speaks any more go."""
    if search.step < len(RULES):
        _look(RULES[search.step], search)
    if search.step == len(RULES):
        stale = DuplicateProposal.objects.filter(dismissed_at__isnull=True, found_at__lt=search.started_at)
        stale.delete()
        search.finished_at = now
        DuplicateSearch.objects.filter(pk__lt=search.pk).delete()
    search.save(update_fields=["step", "slice", "slices", "finished_at"])
    return search.finished_at is None


def _look(rule: Rule, search: DuplicateSearch) -> None:
    """Find the pairs of one slice; after the last one propose what was found."""
    if search.slice == 0:
        search.slices = max(1, ceil(Lead.objects.count() * rule.keys_a_lead / KEYS_A_SLICE))
    find = _FIND.format(
        keys=_doubled(rule.keys), cap=rule.cap, confidence=rule.confidence, pairs=_doubled(rule.pairs)
    )
    with connection.cursor() as cursor:
        cursor.execute(
            find,
            {"search": search.pk, "slice": search.slice, "slices": search.slices, "most": MOST_PAIRS},
        )
        search.slice += 1
        if search.slice == search.slices:
            cursor.execute(_PROPOSE, {"search": search.pk, "reason": rule.reason.value, "more": MORE_REASONS})
            DuplicateSearch.objects.filter(pk=search.pk).update(found=[])
            search.step, search.slice, search.slices = search.step + 1, 0, 0


def _doubled(sql: str) -> str:
    """SQL whose per cent signs are none of psycopg's places."""
    return sql.replace("%", "%%")


def _search_due(search_ids: Sequence[int], now: datetime) -> None:
    for search in _searches().select_for_update().filter(pk__in=search_ids, finished_at__isnull=True):
        if advance_search(search=search, now=now):
            schedule(kind=SEARCH_KIND, due={search.pk: now})


@system_task(name="leads.plan_duplicate_searches")
def plan_searches() -> None:
    """Start the night's search in each tenant where it is night now; beat calls it once an hour."""
    start_night_searches(now=timezone.now())


def start_night_searches(*, now: datetime) -> None:
    """Start a search in each tenant where the hour of the night has come."""
    for tenant in Tenant.objects.filter(suspended_at__isnull=True).order_by("pk"):
        if now.astimezone(ZoneInfo(tenant.time_zone)).hour != NIGHT_HOUR:
            continue
        try:
            with tenant_scope(tenant.pk):
                start_search(now=now)
        except TenantSuspended:  # this moment
            continue


# Proposals ----------------------------------------------------------------------------------------------------------


def list_proposals(*, cursor: str = "", is_dismissed: bool = False) -> Page[DuplicateProposal]:
    """A page of proposals, the likeliest first. Raises CursorRefused."""
    rows = _with_leads().filter(dismissed_at__isnull=not is_dismissed)
    return page_by_key(rows, keys=("-confidence", "-pk"), cursor=cursor, size=PAGE_SIZE)


def count_proposals(*, most: int) -> int:
    """How many proposals are open, counted to ``most``."""
    return int(DuplicateProposal.objects.filter(dismissed_at__isnull=True).order_by()[:most].count())


def list_proposals_of(*, lead_id: int, limit: int = 5) -> list[DuplicateProposal]:
    """The open proposals about one lead, the likeliest first."""
    rows = _with_leads().filter(Q(first=lead_id) | Q(second=lead_id), dismissed_at__isnull=True)
    return list(rows.order_by("-confidence", "-pk")[:limit])


def get_proposal(*, proposal_id: int) -> DuplicateProposal:
    """A proposal with its leads. Raises ProposalNotFound."""
    found: DuplicateProposal | None = (
        _with_leads().filter(pk=proposal_id).first() if is_lead_id(proposal_id) else None
    )
    if found is None:
        raise ProposalNotFound(_("There is no such proposal."))
    return found


def dismiss_proposal(*, proposal_id: int, by: Membership, now: datetime) -> DuplicateProposal:
    """Two leads are not the same person: they are never proposed again. Raises NotAllowed, ProposalNotFound."""
    require(by, "lead.merge")
    proposal = get_proposal(proposal_id=proposal_id)
    if proposal.dismissed_at is None:
        proposal.dismissed_at, proposal.dismissed_by = now, by
        proposal.save(update_fields=["dismissed_at", "dismissed_by"])
    return proposal


def reopen_proposal(*, proposal_id: int, by: Membership) -> DuplicateProposal:
    """Take the dismissal of a proposal back. Raises NotAllowed, ProposalNotFound."""
    require(by, "lead.merge")
    proposal = get_proposal(proposal_id=proposal_id)
    proposal.dismissed_at = proposal.dismissed_by = None
    proposal.save(update_fields=["dismissed_at", "dismissed_by"])
    return proposal


def _with_leads() -> QuerySet[DuplicateProposal]:
    rows: QuerySet[DuplicateProposal] = DuplicateProposal.objects.select_related(
        "first", "first__company", "first__standing", "second", "second__company", "second__standing"
    )
    return rows


def register_duplicates() -> None:
    """Make known how a search goes on; called once, when the app is ready."""
    register_due_kind(DueKind(SEARCH_KIND, act=_search_due, batch_size=1))

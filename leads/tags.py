"""The tenant's tags: which there are, on how many leads; called otherwise, put together, taken away.

A change goes over the leads in batches, the first one at once and the rest by workers: how far it has come are the leads that
still have the tag. What comes in meanwhile with the old tag is changed too, as long as the change goes on.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import connection
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core.due import DueKind, cancel, register_due_kind, schedule
from core.tasks import tenant_task, wake
from leads.capture.fields import MAX_TAG
from leads.capture.values import fold_text
from leads.models import LeadTag, RuleVersion, TagChange, VersionStatus
from leads.pipeline import Reason, ReasonCode, lock_leads, run_pipeline
from leads.rulebook import title_of
from tenancy.audit import record, register_acts
from tenancy.errors import Conflict, FieldProblem, Invalid, NotFound
from tenancy.listing import Count
from tenancy.models import Membership
from tenancy.rights import require
from tenancy.scope import require_tenant_id

CHANGE_KIND: Final = "tag.change"
BATCH_SIZE: Final = 500
COUNTED: Final = 1000
MOST_TAGS: Final = 5000
FALLBACK: Final = timedelta(seconds=15)


class TagNotFound(NotFound):
    """No lead has such a tag."""


class InvalidTag(Invalid):
    """No tag, or too long a one."""


class TagChanges(Conflict):
    """The tag is being changed already."""


@dataclass(frozen=True)
class TagRow:
    """A tag, on how many leads it is, and how it is being changed just now."""

    tag: str
    count: Count
    change: TagChange | None = None


def list_tags(*, q: str = "") -> list[str]:
    """The tags that leads have, by name, those that hold ``q`` whatever accents and case; at most ``MOST_TAGS``."""
    with connection.cursor() as cursor:
        cursor.execute(_LIST, {"most": MOST_TAGS})
        tags = [tag for (tag,) in cursor.fetchall()]
    wanted = fold_text(q)
    return sorted((tag for tag in tags if wanted in fold_text(tag)), key=lambda tag: (fold_text(tag), tag))


# From one tag to the next by the index, however many leads have each.
_LIST: Final = """
WITH RECURSIVE found (tag) AS (
    (SELECT tag FROM leads_leadtag ORDER BY tag LIMIT 1)
    UNION ALL
    SELECT (SELECT next.tag FROM leads_leadtag next WHERE next.tag > found.tag ORDER BY next.tag LIMIT 1)
    FROM found WHERE found.tag IS NOT NULL
)
SELECT tag FROM found WHERE tag IS NOT NULL LIMIT %(most)s
"""


def count_tags(*, tags: Sequence[str]) -> list[TagRow]:
    """These tags with the number of their leads, exact to ``COUNTED``; two queries."""
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, {"tags": list(tags), "most": COUNTED + 1})
        counts = dict(cursor.fetchall())
    changes = {change.tag: change for change in TagChange.objects.filter(finished_at__isnull=True)}
    return [
        TagRow(tag, Count(value=min(counts[tag], COUNTED), exact=counts[tag] <= COUNTED), changes.get(tag))
        for tag in tags
    ]


_COUNT: Final = """
SELECT wanted.tag, (
    SELECT count(*) FROM (SELECT FROM leads_leadtag kept WHERE kept.tag = wanted.tag LIMIT %(most)s) counted
)
FROM unnest(%(tags)s::text[]) AS wanted (tag)
"""


def get_tag(*, tag: str) -> TagRow:
    """One tag. Raises TagNotFound."""
    if "\x00" in tag or not LeadTag.objects.filter(tag=tag).exists():
        raise TagNotFound(_("No lead has this tag."))
    return count_tags(tags=[tag])[0]


def list_uses(*, tag: str) -> list[str]:
    """What the published rules are called that name the tag: they go on asking for its old name."""
    published = RuleVersion.objects.filter(status=VersionStatus.PUBLISHED).order_by("kind", "name")
    return [title_of(version) for version in published if tag in _texts(version.document)]


def _texts(document: Any) -> Iterator[str]:
    if isinstance(document, str):
        yield document
    for part in (
        document.values() if isinstance(document, dict) else document if isinstance(document, list) else ()
    ):
        yield from _texts(part)


def change_tag(*, tag: str, target: str | None, by: Membership, now: datetime) -> TagChange:
    """Call a tag ``target`` on every lead, which puts it together with that tag where there is one; None takes it away.

    Up to ``BATCH_SIZE`` leads are changed at once. Raises NotAllowed, TagNotFound, InvalidTag, TagChanges.
    """
    require(by, "tag.manage")
    row = get_tag(tag=tag)
    if row.change is not None or TagChange.objects.filter(tag=target, finished_at__isnull=True).exists():
        raise TagChanges(_("This tag is being changed already. Wait until that is done."))
    wanted = _read(target, tag) if target is not None else None
    is_known = wanted is not None and LeadTag.objects.filter(tag=wanted).exists()
    change: TagChange = TagChange.objects.create(tag=tag, target=wanted, made_by=by, made_at=now)
    act = "tag.deleted" if wanted is None else "tag.merged" if is_known else "tag.renamed"
    leads = str(row.count.value) if row.count.exact else f"{row.count.value}+"
    record(act=act, subject=tag, by=by, now=now, detail={"target": wanted, "leads": leads})
    advance_change(change_id=change.pk, now=now)
    change.refresh_from_db()
    return change


def _read(target: str, tag: str) -> str:
    wanted = target.strip()
    if not wanted or len(wanted) > MAX_TAG or "\x00" in wanted or ";" in wanted or "," in wanted:
        message = _("Give a name of at most %(length)s characters, without commas and semicolons.") % {
            "length": MAX_TAG
        }
        raise InvalidTag(message, errors=[FieldProblem("target", "invalid", message)])
    if wanted == tag:
        message = _("It is called that already.")
        raise InvalidTag(message, errors=[FieldProblem("target", "same", message)])
    return wanted


def advance_change(*, change_id: int, now: datetime) -> bool:
    """Change the next batch of leads; whether there is more to do. Nothing if somebody else is at it."""
    free = TagChange.objects.select_for_update(skip_locked=True, of=("self",))
    change: TagChange | None = free.filter(pk=change_id, finished_at__isnull=True).first()
    if change is None:
        return False
    rows = LeadTag.objects.filter(tag=change.tag).order_by("lead_id")
    lead_ids = list(rows.values_list("lead_id", flat=True)[:BATCH_SIZE])
    # In the order in which everybody locks leads; a lead that is gone took its tag along.
    locked = lock_leads(lead_ids)
    gone, _by_table = LeadTag.objects.filter(tag=change.tag, lead_id__in=locked).delete()
    if change.target is not None:
        with connection.cursor() as cursor:
            cursor.execute(_ADD, [require_tenant_id(), change.target, locked])
    run_pipeline(lead_ids=locked, reason=Reason(ReasonCode.ACT, actor_id=change.made_by_id), now=now)
    change.done_count += gone
    if len(lead_ids) < BATCH_SIZE:
        change.finished_at = now
        cancel(kind=CHANGE_KIND, subjects=[change.pk])
    else:
        schedule(kind=CHANGE_KIND, due={change.pk: now + FALLBACK})
        wake(continue_change, change_id=change.pk)
    change.save()
    return change.finished_at is None


_ADD: Final = """
INSERT INTO leads_leadtag (tenant_id, lead_id, tag)
SELECT %s, lead_id, %s FROM unnest(%s::bigint[]) AS given (lead_id)
ON CONFLICT (tenant_id, lead_id, tag) DO NOTHING
"""


@tenant_task(name="leads.continue_tag_change")
def continue_change(*, change_id: int) -> None:
    """Change the next batch of leads."""
    advance_change(change_id=change_id, now=timezone.now())


def _advance_due(change_ids: Sequence[int], now: datetime) -> None:
    for change_id in change_ids:
        advance_change(change_id=change_id, now=now)


def _lock_changes(change_ids: Sequence[int]) -> list[int]:
    """Those that nobody is at; the others stay due, in case whoever is at them dies."""
    free = TagChange.objects.select_for_update(skip_locked=True, of=("self",)).filter(pk__in=list(change_ids))
    return list(free.values_list("pk", flat=True))


register_due_kind(DueKind(CHANGE_KIND, act=_advance_due, lock=_lock_changes, batch_size=1))
register_acts(
    {
        "tag.renamed": gettext_lazy("Renamed the tag %(subject)s to %(target)s (%(leads)s leads)"),
        "tag.merged": gettext_lazy("Put the tag %(subject)s together with %(target)s (%(leads)s leads)"),
        "tag.deleted": gettext_lazy("Deleted the tag %(subject)s (%(leads)s leads)"),
    }
)

"""Changing one thing of a published rule document: the next version, published at once.

For what administrators list (reasons, clocks). Rules that have to be tried out first are drafted and reviewed.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from leads.models import RuleKind, RuleVersion, VersionStatus
from leads.versions import publish_version, save_draft
from tenancy.errors import Conflict
from tenancy.models import Membership

Json = Any


class DraftInTheWay(Conflict):
    """Somebody has drafted other changes of the document, which would be overwritten."""


def read_published(*, kind: RuleKind, default: Json) -> Json:
    """The document that is published, or ``default`` where none is."""
    published = RuleVersion.objects.filter(kind=kind, name="main", status=VersionStatus.PUBLISHED).first()
    return published.document if published else default


def change_document(
    *,
    kind: RuleKind,
    change: Callable[[Json], Json],
    default: Json,
    by: Membership | None,
    now: datetime,
) -> RuleVersion | None:
    """Publish what ``change`` makes of the published document (of ``default`` where there is none); None if it is the same.

    Two who change it at once do so one after the other. Raises InvalidDocument, and DraftInTheWay while there is a draft.
    """
    with transaction.atomic():
        versions = list(
            RuleVersion.objects.select_for_update(of=("self",)).filter(kind=kind, name="main").order_by("pk")
        )
        drafts = [version for version in versions if version.status == VersionStatus.DRAFT]
        if drafts:
            words = _("There is a draft of these rules (version %(number)s). Publish or discard it first.")
            raise DraftInTheWay(words % {"number": drafts[-1].number})
        published = [version for version in versions if version.status == VersionStatus.PUBLISHED]
        before = published[0].document if published else default
        after = change(before)
        if after == before:
            return None
        return publish_version(version=save_draft(kind=kind, document=after, by=by, now=now), by=by, now=now)

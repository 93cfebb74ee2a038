"""Rows of a list that can be marked: what can then be done with the leads behind them."""

from collections.abc import Callable
from typing import Any

from django.urls import reverse
from django.utils.translation import pgettext

from core.saved_views.kinds import ListKind
from leads.bulk.kinds import list_bulk_acts
from tenancy.listing import MarkAct, Marking
from tenancy.requests import TenantRequest
from tenancy.rights import may


def list_marking(
    request: TenantRequest,
    kind: ListKind,
    *,
    row_id: Callable[[Any], int],
    row_name: Callable[[Any], str],
) -> Marking | None:
    """How the rows of a list are marked; None for those who may do nothing with many of them."""
    pages = {"slug": request.tenant.slug, "kind": kind.key}
    acts = [
        MarkAct(label=act.label, icon=act.icon, url=reverse("bulk-new", kwargs={**pages, "act": act.key}))
        for act in (list_bulk_acts(member=request.member) if kind.leads else ())
    ]
    if may(request.member, kind.file.right):
        label = pgettext("act", "Export")
        acts.append(MarkAct(label=label, icon="file-export", url=reverse("export-new", kwargs=pages)))
    return Marking(row_id=row_id, row_name=row_name, acts=acts) if acts else None

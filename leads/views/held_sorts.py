"""The two sorts of what is held, as their list shows them and as one act is done on many of them."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from leads.held import LEADS, SUBMISSIONS, HeldSort
from leads.listing import MAX_SEARCH_LENGTH
from tenancy.listing import SEARCH, Column, show_number
from tenancy.requests import TenantRequest

Text = str | Promise

_PAGE: Final = "leads/held.html"
# Of the address: which sort is listed. Leads are when it says nothing.
WHAT: Final = "what"
# Letters of what came in.
SHOWN: Final = 200


@dataclass(frozen=True)
class ShownSort:
    """One sort in words. ``words`` puts a number into words; a row has a name and an instant, two acts whose addresses begin
    with ``one`` and have its key as ``parameter``, and a question before it is given up."""

    sort: HeldSort
    label: Text
    columns: Callable[[], Sequence[Column]]
    words: Callable[[int], str]
    row_name: Callable[[Any], str]
    since: Callable[[Any], datetime]
    one: str
    parameter: str
    question: Callable[[Any], str]
    search_label: Text
    empty_title: Text
    empty_text: Text

    @property
    def name(self) -> str:
        """As it stands in addresses."""
        return self.sort.name

    @property
    def query(self) -> str:
        """What the address of its list ends with."""
        return "" if self.sort is LEADS else f"?{WHAT}={self.name}"


def read_sort(request: TenantRequest) -> ShownSort:
    """The sort that the address means."""
    return SORTS.get(request.GET.get(WHAT, ""), SORTS["leads"])


def read_search(request: TenantRequest) -> str:
    """The text that is looked for."""
    return request.GET.get(SEARCH, "").replace("\x00", "").strip()[:MAX_SEARCH_LENGTH]


def _lead_columns() -> list[Column]:
    return [
        Column(key="lead", label=_("Lead"), template=f"{_PAGE}#lead_cell", card="title"),
        Column(key="step", label=_("Step"), value=lambda each: each["row"].step),
        *_shared_columns(),
    ]


def _submission_columns() -> list[Column]:
    return [
        Column(key="submission", label=_("Submission"), template=f"{_PAGE}#submission_cell", card="title"),
        Column(key="content", label=_("What came in"), value=_content),
        *_shared_columns(),
    ]


def _content(each: dict[str, Any]) -> SafeString:
    """What came in, shortened, as "name: value"; what is no object as it was sent."""
    payload = each["row"].payload
    pairs = payload.items() if isinstance(payload, dict) else ()
    words = ", ".join(f"{name}: {_plain(value)}" for name, value in pairs if value) or _plain(payload)
    return format_html('<span class="text-break">{}</span>', Truncator(words).chars(SHOWN))


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _shared_columns() -> list[Column]:
    return [
        Column(key="error", label=_("Error"), template=f"{_PAGE}#error_cell"),
        Column(key="since", label=_("Since"), template=f"{_PAGE}#since_cell"),
        Column(key="attempts", label=_("Tries"), template=f"{_PAGE}#tries_cell", end=True),
        Column(key="acts", label=_("Acts"), template=f"{_PAGE}#acts_cell", end=True),
    ]


SORTS: Final = {
    each.name: each
    for each in (
        ShownSort(
            sort=LEADS,
            label=gettext_lazy("Leads"),
            columns=_lead_columns,
            words=lambda n: ngettext("%(n)s lead", "%(n)s leads", n) % {"n": show_number(n)},
            row_name=lambda row: str(row.lead),
            since=lambda row: row.first_failed_at,
            one="held-lead",
            parameter="held_id",
            question=lambda row: (
                _("Give up the failed run of %(name)s? The lead stays as it is.") % {"name": row.lead}
            ),
            search_label=gettext_lazy("Search lead, error or step"),
            empty_title=gettext_lazy("No lead is held"),
            empty_text=gettext_lazy(
                "A lead whose processing fails three times waits here with its error, and nothing of it is lost."
            ),
        ),
        ShownSort(
            sort=SUBMISSIONS,
            label=gettext_lazy("Submissions that made no lead yet"),
            columns=_submission_columns,
            words=lambda n: ngettext("%(n)s submission", "%(n)s submissions", n) % {"n": show_number(n)},
            row_name=lambda row: f"#{row.pk}",
            since=lambda row: row.received_at,
            one="held-submission",
            parameter="submission_id",
            question=lambda row: (
                _("Give up the submission #%(number)s? It is kept as refused.") % {"number": row.pk}
            ),
            search_label=gettext_lazy("Search content or error"),
            empty_title=gettext_lazy("No submission is held"),
            empty_text=gettext_lazy(
                "What a form or a program sent and could not be made a lead of waits here as it came."
            ),
        ),
    )
}

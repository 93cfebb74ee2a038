"""How long what is kept: the rules, what each would take now, what it last took."""

from typing import Any, Final

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import formats, timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from core.webhooks.sending import KEPT_FOR as DELIVERIES_KEPT_FOR
from leads.bulk.runs import KEPT_FOR as ACTS_KEPT_FOR
from leads.merging.merge import UNDO_FOR
from leads.retention.kinds import RetentionKind
from leads.retention.running import (
    MOST_MONTHS,
    InvalidRetention,
    RuleState,
    count_would_take,
    list_rules,
    set_rules,
)
from tenancy.listing import show_number
from tenancy.pages import tenant_page
from tenancy.requests import TenantRequest

PAGE: Final = "leads/retention.html"


class RetentionForm(forms.Form):
    """Months by rule; an empty one is off."""

    def __init__(self, data: Any = None, *, rules: list[RuleState]) -> None:
        super().__init__(data)
        for each in rules:
            self.fields[each.kind.key] = _months_field(each.kind, each.rule.months if each.rule else None)


def _months_field(kind: RetentionKind, months: int | None) -> forms.IntegerField:
    attributes = {"class": "form-control retention-months", "aria-describedby": f"about-{kind.key}"}
    return forms.IntegerField(
        label=str(kind.label),
        required=False,
        initial=months,
        min_value=kind.least,
        max_value=MOST_MONTHS,
        widget=forms.NumberInput(attrs=attributes),
    )


@tenant_page(right="data.retain")
@require_http_methods(["GET", "HEAD", "POST"])
def retention(request: TenantRequest) -> HttpResponse:
    """The rules. A form that is sent with ``act=count`` is only counted, with ``act=save`` it is saved."""
    now, rules = timezone.now(), list_rules()
    form = RetentionForm(request.POST if request.method == "POST" else None, rules=rules)
    counts: dict[str, str] = {}
    if form.is_bound and form.is_valid():
        if request.POST.get("act") == "count":
            counts = {
                key: _in_words(count_would_take(key=key, months=months, now=now))
                for key, months in form.cleaned_data.items()
                if months is not None
            }
        else:
            try:
                set_rules(months=form.cleaned_data, by=request.member, now=now)
            except InvalidRetention as problem:
                for each in problem.errors:
                    form.add_error(each.field, str(each.message))
            else:
                messages.success(request, _("Saved. It is done at night."))
                return redirect("retention", slug=request.tenant.slug)
    context = {
        "form": form,
        "rows": [
            (each.kind, form[each.kind.key], counts.get(each.kind.key), _state_words(each)) for each in rules
        ],
        "is_counted": bool(counts),
        "anyway": _anyway(),
    }
    return render(request, PAGE, context, status=422 if form.errors else 200)


def _state_words(state: RuleState) -> str:
    rule = state.rule
    if rule is None:
        return _("Off")
    if rule.began_at is not None:
        return _("At work now")
    if rule.last_at is None:
        return _("On from tonight")
    return _("Last time: %(rows)s taken, %(at)s") % {
        "rows": show_number(rule.last_taken),
        "at": formats.date_format(timezone.localtime(rule.last_at), "SHORT_DATETIME_FORMAT"),
    }


def _in_words(count: int | None) -> str:
    return _("too many to count here") if count is None else show_number(count)


def _anyway() -> list[tuple[str, int]]:
    """What is deleted whatever the rules say, and after how many days."""
    return [
        (_("Deliveries to webhooks, after they have ended"), DELIVERIES_KEPT_FOR.days),
        (_("Uploaded files, exports, after they were made"), settings.FILE_DAYS),
        (_("What came of each lead of an act on many"), ACTS_KEPT_FOR.days),
        (_("What a merge needs to be undone"), UNDO_FOR.days),
    ]

"""Forms for those who make them: the list, what was sent to each, and how it is put on a site."""

from typing import Any, Final
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from leads.capture.form_documents import HostedForm, parse_form
from leads.capture.form_editing import duplicate_form, get_form, set_open
from leads.capture.form_questions import list_questions
from leads.capture.form_submissions import (
    COUNTED_DAYS,
    FATES,
    MAX_EXPORTED,
    TONES,
    FormCounts,
    SubmissionFilter,
    answers_of,
    count_matching,
    count_submissions,
    export_submissions,
    fate_of,
    get_submission,
    list_submissions,
    purposes_of,
    refusals_of,
    take_out_of_spam,
)
from leads.capture.hosted_forms import list_forms
from leads.capture.receiving import wake_processing
from leads.listing import ListTooSlow
from leads.models import CaptureForm, Submission
from leads.versions import InvalidDocument
from leads.views.capture_form import CONSENT, HONEYPOT, origin_of
from tenancy.keyset import Page
from tenancy.listing import (
    Column,
    Count,
    EmptyState,
    FilterChip,
    ListError,
    Listing,
    render_listing,
    show_number,
    too_slow,
)
from tenancy.markup import quiet, short_datetime
from tenancy.pages import tenant_page
from tenancy.requests import TenantRequest
from tenancy.rights import may

LIST_PAGE: Final = "leads/form_list.html"
DETAIL_PAGE: Final = "leads/form_detail.html"
PERIODS: Final = (7, 30, 90)
MAX_SEARCH: Final = 100


@tenant_page(right="form.read")
@require_safe
def form_list(request: TenantRequest) -> HttpResponse:
    """Every form with what came of its submissions over the last days."""
    forms = list_forms()
    counts = count_submissions(form_ids=[form.pk for form in forms], now=timezone.now())
    search = request.GET.get("q", "").strip().casefold()
    rows = [_listed(form, counts[form.pk]) for form in forms if search in form.name.casefold()]
    make_url = reverse("form-new", kwargs={"slug": request.tenant.slug})
    listing = Listing(
        key="forms",
        request=request,
        caption=_("Forms"),
        rows=rows,
        columns=[
            Column(key="name", label=_("Name"), template=f"{LIST_PAGE}#name_cell", card="title"),
            Column(key="state", label=_("State"), template=f"{LIST_PAGE}#state_cell"),
            Column(key="kind", label=_("What it means"), template=f"{LIST_PAGE}#kind_cell", card="line"),
            Column(
                key="total",
                label=_("Sent in %(days)s days") % {"days": COUNTED_DAYS},
                template=f"{LIST_PAGE}#total_cell",
                end=True,
            ),
            Column(key="fates", label=_("What came of it"), template=f"{LIST_PAGE}#fates_cell"),
            Column(key="last_at", label=_("Last"), value=_last_at),
        ],
        words=lambda n: ngettext("%(n)s form", "%(n)s forms", n) % {"n": show_number(n)},
        count=Count(value=len(rows)),
        search_label=_("Search name"),
        empty=EmptyState(
            title=_("No form yet"),
            text=_("A form takes leads in on a page of its own, or on your site."),
            icon="forms",
            act_label=_("Make the first form") if may(request.member, "form.edit") else "",
            act_url=make_url,
        ),
    )
    is_open = sum(form.is_open for form in forms)
    return render_listing(request, LIST_PAGE, {"open_count": is_open}, listing=listing)


def _listed(form: CaptureForm, counts: FormCounts) -> dict[str, Any]:
    return {"form": form, "document": parse_form(form.document), "counts": counts, "fates": _fates(counts)}


def _fates(counts: FormCounts) -> list[dict[str, Any]]:
    """The fates that occurred, with their counts."""
    return [
        {"key": key, "label": label, "count": counts.by_fate[key], "tone": TONES[key]}
        for key, label in FATES.items()
        if counts.by_fate.get(key)
    ]


def _last_at(row: dict[str, Any]) -> str:
    at = row["counts"].last_at
    return short_datetime(at) if at else quiet("—")


@tenant_page(right="form.read")
@require_safe
def form_detail(request: TenantRequest, form_id: int) -> HttpResponse:
    """What was sent to a form, with what came of each."""
    form, now = get_form(form_id=form_id), timezone.now()
    chosen = _chosen(request)
    error: ListError | None = None
    page: Page[Submission] = Page([], None, None)
    try:
        page = list_submissions(form=form, chosen=chosen, cursor=request.GET.get("cursor", ""), now=now)
    except ListTooSlow:
        error = too_slow()
    count = None if error else count_matching(form=form, chosen=chosen, now=now)
    counts = count_submissions(form_ids=[form.pk], now=now)[form.pk]
    listing = Listing(
        key="submissions",
        request=request,
        caption=_("Submissions"),
        rows=[_sent_row(row) for row in page.rows],
        columns=[
            Column(key="who", label=_("Sender"), template=f"{DETAIL_PAGE}#who_cell", card="title"),
            Column(key="fate", label=_("What came of it"), template=f"{DETAIL_PAGE}#fate_cell", card="line"),
            Column(key="lead", label=_("Lead"), template=f"{DETAIL_PAGE}#lead_cell"),
            Column(key="at", label=_("Received"), value=lambda row: short_datetime(row["row"].received_at)),
        ],
        words=lambda n: ngettext("%(n)s submission", "%(n)s submissions", n) % {"n": show_number(n)},
        count=count,
        next_cursor=page.next_cursor,
        previous_cursor=page.previous_cursor,
        search_label=_("Search name, e-mail, phone or company"),
        chips=_chips(chosen),
        filter_template="leads/form_filter.html",
        filter_parameters=["fate", "days"],
        toolbar_template=f"{DETAIL_PAGE}#toolbar",
        error=error,
        empty=EmptyState(
            title=_("Nothing has been sent yet"),
            text=_("Put the form on your site, or send its link to somebody."),
            icon="inbox",
            act_label=_("Put it on your site"),
            act_url=reverse("form-embed", kwargs={"slug": request.tenant.slug, "form_id": form.pk}),
        ),
    )
    query = {"fate": chosen.fate, "days": chosen.days or "", "q": chosen.search}
    context = {
        **_head(form),
        "counts": counts,
        "fates": _fates(counts),
        "chosen": chosen,
        "choices": FATES,
        "periods": PERIODS,
        "export_query": urlencode({name: value for name, value in query.items() if value}),
        "most_exported": show_number(MAX_EXPORTED),
    }
    return render_listing(request, DETAIL_PAGE, context, listing=listing)


def _chosen(request: TenantRequest) -> SubmissionFilter:
    given = request.GET
    fate, days = given.get("fate", ""), given.get("days", "")
    return SubmissionFilter(
        fate=fate if fate in FATES else "",
        days=int(days) if days in map(str, PERIODS) else None,
        search=given.get("q", "").strip()[:MAX_SEARCH],
    )


def _chips(chosen: SubmissionFilter) -> list[FilterChip]:
    chips = []
    if chosen.fate:
        chips.append(FilterChip(label=FATES[chosen.fate], without=["fate"]))
    if chosen.days:
        chips.append(FilterChip(label=period_words(chosen.days), without=["days"]))
    return chips


def period_words(days: int) -> str:
    """The last so many days, in words."""
    return ngettext("the last %(n)s day", "the last %(n)s days", days) % {"n": days}


def _head(form: CaptureForm) -> dict[str, Any]:
    return {"form": form, "document": parse_form(form.document)}


def _sent_row(row: Submission) -> dict[str, Any]:
    answers = answers_of(row)
    name = answers.get("name") or " ".join(filter(None, map(answers.get, ("first_name", "last_name"))))
    fate = fate_of(row)
    return {
        "row": row,
        "name": name or answers.get("email") or answers.get("phone") or _("without a name"),
        "email": answers.get("email") or answers.get("phone") or "",
        "fate": fate,
        "label": FATES[fate],
        "tone": TONES[fate],
        "reasons": refusals_of(row) if fate in {"refused", "held"} else [],
    }


@tenant_page(right="form.read")
@require_safe
def form_submission(request: TenantRequest, form_id: int, submission_id: int) -> HttpResponse:
    """One submission: every answer, what was agreed to, what came of it."""
    form = get_form(form_id=form_id)
    row = get_submission(form=form, submission_id=submission_id)
    document = parse_form(form.document)
    labels = {field.name: str(field.label) for field in document.fields}
    answers = [(labels.get(name, name), value) for name, value in answers_of(row).items()]
    payload = row.payload if isinstance(row.payload, dict) else {}
    properties = (payload.get("event") or {}).get("properties") or {}
    context = {
        **_head(form),
        "sent": _sent_row(row),
        "answers": answers,
        "consents": payload.get("consent") or [],
        "purposes": purposes_of(row),
        "proof": payload.get("proof") or {},
        "referrer": properties.get("referrer", ""),
    }
    return render(request, "leads/form_submission.html", context)


@tenant_page(right="form.edit")
@require_POST
def form_not_spam(request: TenantRequest, form_id: int, submission_id: int) -> HttpResponse:
    """Process what looked like spam."""
    form, now = get_form(form_id=form_id), timezone.now()
    take_out_of_spam(form=form, submission_id=submission_id, by=request.member, now=now)
    wake_processing(tenant_id=request.tenant.pk)
    messages.success(request, _("It is processed like any other submission."))
    return redirect("form-submission", slug=request.tenant.slug, form_id=form.pk, submission_id=submission_id)


@tenant_page(right="lead.export")
@require_POST
def form_export(request: TenantRequest, form_id: int) -> HttpResponse:
    """The submissions of the list as CSV."""
    form, now = get_form(form_id=form_id), timezone.now()
    content = export_submissions(
        form=form, parsed=parse_form(form.document), chosen=_chosen(request), by=request.member, now=now
    )
    response = HttpResponse(content, content_type="text/csv; charset=utf-8")
    name = f"{form.key}-{timezone.localdate().isoformat()}.csv"
    response["Content-Disposition"] = (
        content_disposition_header(as_attachment=True, filename=name) or "attachment"
    )
    response["Cache-Control"] = "private, no-store"
    return response


@tenant_page(right="form.read")
@require_safe
def form_embed(request: TenantRequest, form_id: int) -> HttpResponse:
    """The link, and what is pasted into a site: a script, a frame, plain HTML, a call by a program."""
    form = get_form(form_id=form_id)
    document = parse_form(form.document)
    ours = origin_of(request)
    link = ours + reverse("capture-form", kwargs={"public_id": form.public_id})
    door = ours + reverse("capture-submissions", kwargs={"public_id": form.public_id})
    # Its plain name, which stays while the names that carry a hash change with their content.
    script = f"{ours}{settings.STATIC_URL}js/embed.js"
    context = {
        **_head(form),
        "link": link,
        "script": _as_text(
            '<script src="{}" data-form="{}" data-title="{}" async></script>',
            script,
            form.public_id,
            document.title,
        ),
        "frame": _as_text(
            '<iframe src="{}?embed=1" title="{}" width="100%" height="640" style="border: 0"></iframe>',
            link,
            document.title,
        ),
        "html": _plain_html(document, link),
        "call": _call(document, door),
    }
    return render(request, "leads/form_embed.html", context)


def _as_text(markup: str, *values: object) -> str:
    """Markup as a text to be shown and copied; the values in it are escaped once, and the whole again where it is shown."""
    return "".join((format_html(markup, *values),))


def _plain_html(document: HostedForm, link: str) -> str:
    """The form as HTML for a site that draws it itself."""
    lines: list[str] = [format_html('<form method="post" action="{}">', link)]
    for question in list_questions(form=document):
        field = question.field
        required = " required" if field.is_required else ""
        if question.type == "choice":
            options = "".join(
                format_html('<option value="{}">{}</option>', value, label)
                for value, label in question.choices
            )
            control = format_html('<select name="{}"{}>', field.name, required) + (
                f'<option value=""></option>{options}</select>'
            )
        else:
            kinds = {"decimal": 'number" step="any', "choice": "text"}
            control = (
                f'<input type="{kinds.get(question.type, question.type)}" name="{field.name}"{required}>'
            )
        lines.append(format_html("  <label>{} ", field.label) + control + "</label>")
    for consent in document.consents:
        required = " required" if consent.is_required else ""
        box = f'<input type="checkbox" name="{CONSENT}{consent.purpose}" value="on"{required}>'
        lines.append(f"  <label>{box} " + format_html("{}</label>", consent.text))
    lines += [
        f'  <input type="text" name="{HONEYPOT}" tabindex="-1" autocomplete="off" hidden>',
        '  <input type="hidden" name="utm_source" value="">',
        '  <input type="hidden" name="utm_medium" value="">',
        '  <input type="hidden" name="utm_campaign" value="">',
        format_html('  <button type="submit">{}</button>', document.submit or _("Send")),
        "</form>",
    ]
    return "\n".join(lines)


def _call(document: HostedForm, door: str) -> str:
    """The same by a program in the page."""
    fields = ", ".join(f'"{field.name}": "…"' for field in document.fields)
    purposes = ", ".join(f'"{consent.purpose}"' for consent in document.consents)
    return (
        f'await fetch("{door}", {{\n'
        '  method: "POST",\n'
        '  headers: { "Content-Type": "application/json" },\n'
        "  body: JSON.stringify({\n"
        f"    fields: {{ {fields} }},\n"
        f"    consents: [{purposes}],\n"
        "    page: location.href,\n"
        "    referrer: document.referrer,\n"
        '    utm_source: "", utm_medium: "", utm_campaign: "",\n'
        "  }),\n"
        "});"
    )


@tenant_page(right="form.edit")
@require_POST
def form_open(request: TenantRequest, form_id: int) -> HttpResponse:
    """Open or close a form."""
    form = get_form(form_id=form_id)
    is_open = request.POST.get("open") == "1"
    try:
        set_open(form=form, is_open=is_open, by=request.member, now=timezone.now())
    except InvalidDocument as invalid:
        messages.error(request, " ".join(str(each.message) for each in invalid.errors))
        return redirect("form-edit", slug=request.tenant.slug, form_id=form.pk)
    words = _("“%(name)s” takes submissions now.") if is_open else _("“%(name)s” takes no more submissions.")
    messages.success(request, words % {"name": form.name})
    return redirect("form-detail", slug=request.tenant.slug, form_id=form.pk)


@tenant_page(right="form.edit")
@require_POST
def form_duplicate(request: TenantRequest, form_id: int) -> HttpResponse:
    """A copy to be changed."""
    form = get_form(form_id=form_id)
    name = _("%(name)s (copy)") % {"name": form.name[:100]}
    copy = duplicate_form(form=form, name=name, by=request.member, now=timezone.now())
    messages.success(request, _("This is the copy. It is closed until you open it."))
    return redirect("form-edit", slug=request.tenant.slug, form_id=copy.pk)

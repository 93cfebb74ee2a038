"""Webhooks, in the settings: endpoints, their secrets, what they were told."""

import json

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from core.models import WebhookDelivery, WebhookEndpoint
from core.webhooks import endpoints
from core.webhooks.addresses import host_of
from core.webhooks.events import label_of
from core.webhooks.forms import EndpointForm
from tenancy.errors import Problem
from tenancy.listing import CURSOR, Column, Count, EmptyState, Listing, render_listing
from tenancy.pages import tenant_page
from tenancy.requests import TenantRequest

form_methods = require_http_methods(["GET", "HEAD", "POST"])
PAGE = "core/webhook.html"


@tenant_page(right="webhook.manage")
@require_safe
def webhooks(request: TenantRequest) -> HttpResponse:
    """The endpoints and how they fare."""
    rows = endpoints.list_endpoints()
    working = sum(row["endpoint"].is_on for row in rows)
    page = "core/webhooks.html"
    listing = Listing(
        key="webhooks",
        request=request,
        caption=_("Webhooks"),
        rows=rows,
        columns=[
            Column(key="system", label=_("System"), template=f"{page}#system_cell", card="title"),
            Column(key="types", label=_("Told of"), template=f"{page}#types_cell"),
            Column(key="answer", label=_("Last answer"), template=f"{page}#answer_cell"),
        ],
        words=lambda count: ngettext("%(count)s webhook", "%(count)s webhooks", count) % {"count": count},
        count=Count(value=len(rows)),
        empty=EmptyState(
            title=_("Tell another system what happens to leads"),
            text=_(
                "A signed message goes out when a lead comes in, moves on, gets an owner, or is won or lost."
            ),
            icon="webhook",
            act_label=_("Make the first webhook"),
            act_url=reverse("create-webhook", kwargs={"slug": request.tenant.slug}),
        ),
    )
    return render_listing(request, page, {"working": working}, listing=listing)


@tenant_page(right="webhook.manage")
@never_cache
@form_methods
def create_webhook(request: TenantRequest) -> HttpResponse:
    """A new endpoint; the answer shows its secret, once."""
    form = EndpointForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            endpoint, secret = endpoints.make_endpoint(
                **form.cleaned_data, by=request.member, now=timezone.now()
            )
        except Problem as problem:
            form.add_problem(problem)
        else:
            return _show_secret(request, endpoint, secret)
    return render(request, "core/webhook_form.html", {"form": form}, status=422 if form.errors else 200)


@tenant_page(right="webhook.manage")
@require_safe
def webhook(request: TenantRequest, endpoint_id: int) -> HttpResponse:
    """One endpoint and what it was told, newest first."""
    endpoint = endpoints.get_endpoint(endpoint_id=endpoint_id)
    page = endpoints.list_deliveries(endpoint=endpoint, cursor=request.GET.get(CURSOR, ""))
    listing = Listing(
        key="deliveries",
        request=request,
        caption=_("Deliveries"),
        rows=page.rows,
        columns=[
            Column(key="event", label=_("Event"), template=f"{PAGE}#event_cell", card="title"),
            Column(key="state", label=pgettext("delivery", "State"), template=f"{PAGE}#state_cell"),
            Column(key="answer", label=_("Last answer"), template=f"{PAGE}#answer_cell"),
            Column(key="occurred_at", label=_("When"), template=f"{PAGE}#at_cell"),
        ],
        words=lambda count: ngettext("%(count)s delivery", "%(count)s deliveries", count) % {"count": count},
        count=None if page.next_cursor or page.previous_cursor else Count(value=len(page.rows)),
        next_cursor=page.next_cursor,
        previous_cursor=page.previous_cursor,
        empty=EmptyState(
            title=_("Nothing was told yet"),
            text=_("Send a test, or wait until something happens to a lead."),
            icon="webhook",
        ),
    )
    context = {
        "endpoint": endpoint,
        "host": host_of(endpoint.url),
        "types": [label_of(name) for name in endpoint.event_types],
        "has_two_secrets": endpoint.former_until is not None and endpoint.former_until > timezone.now(),
    }
    return render_listing(request, PAGE, context, listing=listing)


@tenant_page(right="webhook.manage")
@form_methods
def change_webhook(request: TenantRequest, endpoint_id: int) -> HttpResponse:
    """Another address, or other things to be told of."""
    endpoint = endpoints.get_endpoint(endpoint_id=endpoint_id)
    initial = {
        "url": endpoint.url,
        "description": endpoint.description,
        "event_types": endpoint.event_types,
    }
    form = EndpointForm(request.POST if request.method == "POST" else None, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            endpoints.change_endpoint(
                endpoint=endpoint, **form.cleaned_data, by=request.member, now=timezone.now()
            )
        except Problem as problem:
            form.add_problem(problem)
        else:
            messages.success(request, _("The webhook is saved."))
            return _to(request, endpoint)
    context = {"form": form, "endpoint": endpoint, "host": host_of(endpoint.url)}
    return render(request, "core/webhook_form.html", context, status=422 if form.errors else 200)


@tenant_page(right="webhook.manage")
@require_POST
def switch_webhook(request: TenantRequest, endpoint_id: int) -> HttpResponse:
    """On, or off."""
    endpoint = endpoints.get_endpoint(endpoint_id=endpoint_id)
    is_on = request.POST.get("to") == "on"
    endpoints.switch_endpoint(endpoint=endpoint, is_on=is_on, by=request.member, now=timezone.now())
    if is_on:
        messages.success(request, _("The webhook is switched on: it is told what happens from now on."))
    else:
        messages.success(request, _("The webhook is switched off. What happens meanwhile is not told later."))
    return _to(request, endpoint)


@tenant_page(right="webhook.manage")
@never_cache
@require_POST
def renew_webhook_secret(request: TenantRequest, endpoint_id: int) -> HttpResponse:
    """A new secret; the answer shows it, once."""
    endpoint = endpoints.get_endpoint(endpoint_id=endpoint_id)
    secret = endpoints.renew_secret(endpoint=endpoint, by=request.member, now=timezone.now())
    return _show_secret(request, endpoint, secret)


@tenant_page(right="webhook.manage")
@require_POST
def delete_webhook(request: TenantRequest, endpoint_id: int) -> HttpResponse:
    """Forget an endpoint with its log."""
    endpoint = endpoints.get_endpoint(endpoint_id=endpoint_id)
    endpoints.delete_endpoint(endpoint=endpoint, by=request.member, now=timezone.now())
    messages.success(request, _("The webhook is deleted."))
    response: HttpResponse = redirect("webhooks", slug=request.tenant.slug)
    return response


@tenant_page(right="webhook.manage")
@require_POST
def test_webhook(request: TenantRequest, endpoint_id: int) -> HttpResponse:
    """Tell an endpoint that this is a test, and show what comes of it."""
    endpoint = endpoints.get_endpoint(endpoint_id=endpoint_id)
    delivery = endpoints.send_test(endpoint=endpoint, by=request.member, now=timezone.now())
    return _to_delivery(request, delivery)


@tenant_page(right="webhook.manage")
@require_safe
def webhook_delivery(request: TenantRequest, endpoint_id: int, delivery_id: int) -> HttpResponse:
    """What was sent, each time that it was, and what was answered."""
    delivery = endpoints.get_delivery(endpoint_id=endpoint_id, delivery_id=delivery_id)
    context = {
        "delivery": delivery,
        "endpoint": delivery.endpoint,
        "host": host_of(delivery.endpoint.url),
        "label": label_of(delivery.event_type),
        "tries": list(delivery.tries.order_by("-id")[:50]),
        "payload": json.dumps(delivery.payload, indent=2, ensure_ascii=False),
        "is_pending": delivery.state == WebhookDelivery.State.PENDING,
    }
    return render(request, "core/webhook_delivery.html", context)


@tenant_page(right="webhook.manage")
@require_POST
def send_webhook_again(request: TenantRequest, endpoint_id: int, delivery_id: int) -> HttpResponse:
    """Once more, under the same id."""
    delivery = endpoints.get_delivery(endpoint_id=endpoint_id, delivery_id=delivery_id)
    endpoints.send_again(delivery=delivery, by=request.member, now=timezone.now())
    messages.success(request, _("It is on its way again, under the same webhook-id."))
    return _to_delivery(request, delivery)


def _show_secret(request: TenantRequest, endpoint: WebhookEndpoint, secret: str) -> HttpResponse:
    context = {"endpoint": endpoint, "host": host_of(endpoint.url), "shown_once": secret}
    return render(request, "core/webhook_secret.html", context)


def _to(request: TenantRequest, endpoint: WebhookEndpoint) -> HttpResponse:
    response: HttpResponse = redirect("webhook", slug=request.tenant.slug, endpoint_id=endpoint.pk)
    return response


def _to_delivery(request: TenantRequest, delivery: WebhookDelivery) -> HttpResponse:
    response: HttpResponse = redirect(
        "webhook-delivery",
        slug=request.tenant.slug,
        endpoint_id=delivery.endpoint_id,
        delivery_id=delivery.pk,
    )
    return response

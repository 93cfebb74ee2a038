"""The way in: which tenant, one-time links, a person's own settings."""

from allauth.account.utils import perform_login
from allauth.account.views import password_reset as reset_by_mail
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from tenancy.forms import NewPasswordForm, ProfileForm, list_time_zones
from tenancy.invitations import LinkClosed, Offer, accept_signed_in, accept_with_password, read_offer
from tenancy.models import Tenant
from tenancy.selectors import list_memberships
from tenancy.services import save_profile


@require_safe
@login_required
def enter(request: HttpRequest) -> HttpResponse:
    """A person of one tenant goes straight in; others choose."""
    assert request.user.is_authenticated
    memberships = list_memberships(user=request.user)
    if len(memberships) == 1:
        return redirect(_home(memberships[0][0]))
    return render(request, "tenancy/choose_tenant.html", {"memberships": memberships})


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def invitation(request: HttpRequest, token: str) -> HttpResponse:
    """What a one-time link opens; only a POST uses it."""
    try:
        offer = read_offer(token=token, now=timezone.now())
    except LinkClosed as closed:
        _speak(request, closed.language)
        return render(request, "tenancy/link_closed.html", {"problem": closed}, status=closed.status)
    _speak(request, offer.tenant.language)
    if offer.way == "password":
        return _choose_password(request, token, offer)
    if request.method != "POST":
        return render(request, "tenancy/invitation.html", {"offer": offer})
    if not request.user.is_authenticated:
        return redirect_to_login(request.get_full_path())
    return redirect(_home(accept_signed_in(token=token, user=request.user, now=timezone.now())))


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def profile(request: HttpRequest) -> HttpResponse:
    """Name, language, time zone, theme; the ways to password and second factor."""
    user = request.user
    assert user.is_authenticated
    chosen = {"name": user.name, "language": user.language, "time_zone": user.time_zone, "theme": user.theme}
    form = ProfileForm(_posted(request), initial=chosen)
    if request.method == "POST" and form.is_valid():
        save_profile(user=user, **form.cleaned_data)
        with translation.override(user.language or translation.get_language()):
            messages.success(request, _("Your profile is saved."))
        response = redirect("profile")
        # The cookie stood for the choice before sign-in; the person's own is what counts now.
        response.delete_cookie(settings.LANGUAGE_COOKIE_NAME)
        return response
    return render(
        request,
        "tenancy/profile.html",
        {"form": form, "time_zones": list_time_zones()},
        status=422 if form.errors else 200,
    )


@require_http_methods(["GET", "HEAD", "POST"])
def password_reset(request: HttpRequest) -> HttpResponse:
    """A new password by mail, where the installation sends mail; else who can help."""
    if not settings.EMAIL_HOST:
        return render(request, "tenancy/no_mail.html")
    response: HttpResponse = reset_by_mail(request)
    return response


def _choose_password(request: HttpRequest, token: str, offer: Offer) -> HttpResponse:
    name = offer.user.name if offer.user else ""
    form = NewPasswordForm(_posted(request), email=offer.invitation.email, initial={"name": name})
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        user, tenant = accept_with_password(
            token=token, name=data["name"], password=data["password"], now=timezone.now()
        )
        response: HttpResponse = perform_login(request, user, redirect_url=_home(tenant))
        return response
    context = {"offer": offer, "form": form}
    return render(request, "tenancy/invitation.html", context, status=422 if form.errors else 200)


def _speak(request: HttpRequest, language: str) -> None:
    """The tenant's language, unless the person or their browser asks for one of ours."""
    if not request.has_chosen_language:  # type: ignore[attr-defined]
        translation.activate(language)


def _posted(request: HttpRequest) -> QueryDict | None:
    """What a form was sent with, be it nothing at all; None when it was not sent."""
    return request.POST if request.method == "POST" else None


def _home(tenant: Tenant) -> str:
    return f"/t/{tenant.slug}/"

"""A person's own choices for the pages they see: theme and language."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from tenancy.models import Language, Theme, User

YEAR_SECONDS = 365 * 24 * 3600


@require_POST
def save_preferences(request: HttpRequest) -> HttpResponse:
    """Keep ``theme`` and ``language`` with the person, or in cookies before sign-in; go back to ``next``.

    A value that is not offered is ignored: the form gives only buttons.
    """
    chosen = {
        name: value
        for name, values in (("theme", Theme.values), ("language", Language.values))
        if (value := request.POST.get(name, "")) in values
    }
    if request.user.is_authenticated and chosen:
        User.objects.filter(pk=request.user.pk).update(**chosen)
    response = redirect(_safe_next(request))
    for name, value in chosen.items():
        cookie = settings.LANGUAGE_COOKIE_NAME if name == "language" else name
        response.set_cookie(
            cookie, value, max_age=YEAR_SECONDS, secure=request.is_secure(), httponly=True, samesite="Lax"
        )
    return response


def _safe_next(request: HttpRequest) -> str:
    url = request.POST.get("next", "")
    is_safe = url_has_allowed_host_and_scheme(url, {request.get_host()}, require_https=request.is_secure())
    return url if is_safe else "/"

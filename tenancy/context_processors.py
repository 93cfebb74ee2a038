"""What the frame of every page needs."""

from collections.abc import Sequence
from typing import Any

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from tenancy.models import Membership, Tenant, Theme
from tenancy.navigation import NavigationSection, build_navigation
from tenancy.scope import current_tenant_id
from tenancy.selectors import list_memberships


def frame(request: HttpRequest) -> dict[str, Any]:
    """``tenant``, ``member``, ``tenants`` (the person's), ``navigation`` and ``theme_choice``.

    Navigation and tenants are built when a template first uses them: fragments asked for by HTMX cost nothing.
    """
    tenant: Tenant | None = getattr(request, "tenant", None)
    member: Membership | None = getattr(request, "member", None)

    def navigation() -> Sequence[NavigationSection]:
        # Without a scope (a door that opens its own was refused before it did) nothing of the tenant can be read.
        if tenant is None or member is None or current_tenant_id() != tenant.pk:
            return []
        return build_navigation(tenant=tenant, member=member, path=request.path)

    def tenants() -> Sequence[Tenant]:
        user = getattr(request, "user", None)
        if user is None or not user.is_authenticated:
            return []
        memberships = getattr(request, "memberships", None)
        if memberships is None:
            memberships = list_memberships(user=user)
        return [each for each, _member in memberships]

    return {
        "tenant": tenant,
        "member": member,
        "tenants": SimpleLazyObject(tenants),
        "navigation": SimpleLazyObject(navigation),
        "theme_choice": _theme_choice(request),
    }


def _theme_choice(request: HttpRequest) -> str:
    user = getattr(request, "user", None)
    if user is not None and user.is_authenticated:
        return str(user.theme)
    cookie = request.COOKIES.get("theme", "")
    return cookie if cookie in Theme.values else Theme.SYSTEM

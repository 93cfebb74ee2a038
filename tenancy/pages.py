"""How a page of a tenant is declared: the right it needs, checked before the view runs."""

import functools
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec

from django.http.response import HttpResponseBase

from tenancy.requests import TenantRequest
from tenancy.rights import RIGHTS, require

P = ParamSpec("P")


def tenant_page(
    *, right: str
) -> Callable[[Callable[Concatenate[TenantRequest, P], HttpResponseBase]], Callable[..., HttpResponseBase]]:
    """Make a view under ``/t/<slug>/`` a page that needs a row of the rights table.

    The middleware has resolved tenant and member and opened the scope, so the view gets the address's other parts without
    ``slug``. Say the methods inside, with Django's ``require_GET``, ``require_POST`` or ``require_http_methods``::

        @tenant_page(right="member.manage")
        @require_POST
        def deactivate(request: TenantRequest, member_id: int) -> HttpResponse: ...

    Raises KeyError at import for an unknown right; a member without it gets 403. The view carries ``right`` for the guards,
    which refuse a view under ``/t/`` that has none.
    """
    RIGHTS[right]

    def decorate(
        view: Callable[Concatenate[TenantRequest, P], HttpResponseBase],
    ) -> Callable[..., HttpResponseBase]:
        @functools.wraps(view)
        def page(request: TenantRequest, slug: str, *args: Any, **kwargs: Any) -> HttpResponseBase:
            require(request.member, right)
            return view(request, *args, **kwargs)

        page.right = right  # type: ignore[attr-defined]
        return page

    return decorate

"""What a request knows: the view it will reach, and once the tenant middleware has let it in, whose it is."""

from dataclasses import dataclass
from typing import NamedTuple

from django.http import HttpRequest
from django.urls import Resolver404, ResolverMatch, resolve

from tenancy.models import Membership, Tenant, User


class TenantRequest(HttpRequest):
    """A request to a tenant's page or API."""

    tenant: Tenant
    member: Membership
    user: User
    # Set when a key, not a person, is asking.
    key: "KeyAccess | None"


@dataclass(frozen=True)
class KeyAccess:
    """An API key that has been recognised. ``proof`` is given where that was a while ago: see ``tenancy.keys.recall_key``."""

    id: int
    scopes: frozenset[str]
    proof: "KeyProof | None" = None


class KeyProof(NamedTuple):
    """What the database said of a key, its service user and its tenant (as JSON), and the prefix by which it finds them."""

    prefix: str
    said: str


def is_for_machines(request: HttpRequest) -> bool:
    """Whether a machine asks: at an address of the API."""
    return request.path_info.startswith("/api/")


def match_of(request: HttpRequest) -> ResolverMatch | None:
    """The row of the URL table that a request will reach, or None. It is looked for once: several places on the way ask."""
    if request.resolver_match is not None:
        return request.resolver_match
    if not hasattr(request, "row_of_urls"):
        request.row_of_urls = resolved(request.path_info)  # type: ignore[attr-defined]
    found: ResolverMatch | None = request.row_of_urls  # type: ignore[attr-defined]
    return found


def resolved(path: str) -> ResolverMatch | None:
    """The row of the URL table for a path, or None. Of addresses without an id in them it is found once in a process."""
    found = _fixed.get(path)
    if found is None:
        try:
            found = resolve(path)
        except Resolver404:
            return None
        if not found.kwargs and not found.args:
            _fixed[path] = found
    return found


_fixed: dict[str, ResolverMatch] = {}

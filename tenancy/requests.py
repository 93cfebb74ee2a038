"""What a request knows once the tenant middleware has let it in."""

from dataclasses import dataclass

from django.http import HttpRequest

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
    """An API key that has been recognised."""

    id: int
    scopes: frozenset[str]

"""Reads of people and tenants, those included that are needed before a scope exists."""

from tenancy.models import Membership, Tenant, User
from tenancy.scope import person_scope


def list_memberships(*, user: User) -> list[tuple[Tenant, Membership]]:
    """The tenants a person belongs to, by name, with their place in each."""
    with person_scope(user.pk):
        members = list(
            Membership.unscoped.select_related("tenant", "user")
            .filter(user=user, is_active=True)
            .order_by("tenant__name", "tenant_id")
        )
    return [(member.tenant, member) for member in members]


def get_membership(*, user: User, slug: str) -> tuple[Tenant, Membership] | None:
    """A person's place in the tenant of this address, or None if there is none."""
    with person_scope(user.pk):
        member = (
            Membership.unscoped.select_related("tenant", "user")
            .filter(user=user, tenant__slug=slug, is_active=True)
            .first()
        )
    return (member.tenant, member) if member else None

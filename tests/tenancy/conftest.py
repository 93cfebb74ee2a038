"""People signed in to the tenant a test is about."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from django.test import Client

# Models load once Django is set up, which is after this file when pytest is called with this folder.
if TYPE_CHECKING:
    from tenancy.models import Membership, Tenant

    SignIn = Callable[[Membership], Client]


@pytest.fixture
def sign_in() -> SignIn:
    """A browser in which a member is signed in, in English."""

    def start(member: Membership) -> Client:
        client = Client(headers={"accept-language": "en"})
        assert member.user is not None
        client.force_login(member.user)
        return client

    return start


@pytest.fixture
def admin(tenant: Tenant) -> Membership:
    """The administrator with whom the tenant began."""
    from tenancy.models import Membership, Role
    from tenancy.scope import tenant_scope

    with tenant_scope(tenant.pk):
        found: Membership = Membership.objects.select_related("user").get(roles=[Role.ADMIN])
    return found


@pytest.fixture
def as_admin(admin: Membership, sign_in: SignIn) -> Client:
    """The administrator's browser."""
    return sign_in(admin)


@pytest.fixture
def sdr(tenant: Tenant) -> Membership:
    """An SDR called Bruna."""
    from tenancy.models import Role
    from tenancy.scope import tenant_scope
    from tests.builders import make_member

    with tenant_scope(tenant.pk):
        return make_member(role=Role.SDR, name="Bruna Ávila")

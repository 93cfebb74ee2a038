"""The two tenants of the guards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tenancy.models import Tenant
    from tests.guards.samples import World


@pytest.fixture
def world(tenant: Tenant, other_tenant: Tenant, settings: Any) -> World:
    """Two tenants; nobody is slowed down by limits on attempts."""
    from tests.guards.samples import make_world

    settings.ACCOUNT_RATE_LIMITS = settings.MFA_RATE_LIMITS = False
    return make_world(tenant, other_tenant)

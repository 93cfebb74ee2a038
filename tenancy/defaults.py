"""What a new tenant starts with: each app registers its part of the default pack."""

from collections.abc import Callable
from datetime import datetime

from tenancy.models import Membership, Tenant

DefaultPart = Callable[[Tenant, Membership | None, datetime], None]

_parts: list[DefaultPart] = []


def register_default_part(part: DefaultPart) -> None:
    """Say once, when an app is ready, what it gives a new tenant; parts run in the order of INSTALLED_APPS."""
    _parts.append(part)


def apply_default_pack(*, tenant: Tenant, admin: Membership | None, now: datetime) -> None:
    """Give the tenant of the current scope every app's defaults."""
    for part in _parts:
        part(tenant, admin, now)

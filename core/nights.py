"""When what is done once a night is done."""

from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from tenancy.models import Tenant
from tenancy.scope import require_tenant_id

# In the zone of the tenant.
NIGHT_HOUR: Final = 2


def next_night(now: datetime) -> datetime:
    """The next time that it is night for the tenant."""
    tenant: Tenant = Tenant.objects.get(pk=require_tenant_id())
    local = now.astimezone(ZoneInfo(tenant.time_zone))
    night = local.replace(hour=NIGHT_HOUR, minute=0, second=0, microsecond=0)
    return night if night > local else night + timedelta(days=1)

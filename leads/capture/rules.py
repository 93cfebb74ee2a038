"""What reading a submission needs to know of its tenant."""

import json
import zoneinfo

from django.db import connection

from leads.capture.inputs import IntakeRules
from tenancy.models import Tenant
from tenancy.scope import require_tenant_id


def open_rules(*, tenant: Tenant) -> IntakeRules:
    """The rules of the current tenant: its country, zone and custom fields that are not retired."""
    require_tenant_id()
    with connection.cursor() as cursor:
        cursor.execute("SELECT name, type, choices FROM leads_customfield WHERE retired_at IS NULL")
        fields = cursor.fetchall()
    return IntakeRules(
        country=tenant.country,
        zone=zoneinfo.ZoneInfo(tenant.time_zone),
        custom={name: kind for name, kind, _choices in fields},
        choices={name: json.loads(choices) for name, _kind, choices in fields if choices},
    )

"""What reading a submission needs to know of its tenant."""

import zoneinfo

from leads.capture.fields import IntakeRules
from leads.models import CustomField
from tenancy.models import Tenant


def open_rules(*, tenant: Tenant) -> IntakeRules:
    """The rules of the current tenant: its country, zone and custom fields that are not retired."""
    fields = CustomField.objects.filter(retired_at__isnull=True).values_list("name", "type")
    return IntakeRules(country=tenant.country, zone=zoneinfo.ZoneInfo(tenant.time_zone), custom=dict(fields))

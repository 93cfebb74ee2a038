"""``import_outcomes FILE --tenant SLUG``: how deals ended, from a CSV file; a JSON object of what came of them stands last."""

from leads.capture.imports import Subject
from leads.capture.outcomes import OutcomeRows
from leads.management.import_command import ImportCommand
from tenancy.models import Tenant


class Command(ImportCommand):
    help = (
        "Import outcomes of deals from a CSV file. Counted by deal; a row whose lead is unknown is refused. Won makes a "
        "customer; lost brings the lead to the stage its reason names, else to nurture. No clocks or sequences unless --live. "
        "Exit 0; 1 if every row was refused; 2 for bad arguments or an unreadable or ambiguous file."
    )

    def make_subject(self, tenant: Tenant) -> Subject:
        """Deals in the tenant's currency."""
        return OutcomeRows(tenant)

"""``import_outcomes FILE --tenant SLUG``: deals from a CSV file; a JSON object of what came of them stands last."""

from leads.capture.imports import Subject
from leads.capture.outcomes import OutcomeRows
from leads.capture.readable_file import ImportOptions
from leads.management.import_command import ImportCommand
from tenancy.models import Tenant


class Command(ImportCommand):
    help = (
        "Import deals from a CSV file. Counted by deal; a row whose lead is unknown is refused unless --create-leads. Won makes "
        "a customer; open an opportunity; lost brings the lead to the stage its reason names, else to nurture. No clocks or "
        "sequences unless --live. Exit 0; 1 if every row was refused; 2 for bad arguments or an unreadable or ambiguous file."
    )

    names_leads = True

    def make_subject(self, tenant: Tenant, options: ImportOptions) -> Subject:
        """Deals in the tenant's currency."""
        return OutcomeRows(tenant, creates_leads=options.creates_leads)

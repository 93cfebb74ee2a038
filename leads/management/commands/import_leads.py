"""``import_leads FILE --tenant SLUG``: leads from a CSV file; the last line is a JSON object of what came of the rows."""

from leads.capture.imports import Subject
from leads.capture.lead_rows import LeadRows
from leads.capture.readable_file import ImportOptions
from leads.management.import_command import ImportCommand
from tenancy.models import Tenant


class Command(ImportCommand):
    help = (
        "Import leads from a CSV file. A column whose name is a field's fills it; --map names others. The rows are history "
        "unless --live: they are identified, scored and graded, and nothing is promoted, routed, timed, enrolled or sent. "
        "Exit 0; 1 if every row was refused; 2 for bad arguments or an unreadable or ambiguous file."
    )

    def make_subject(self, tenant: Tenant, options: ImportOptions) -> Subject:
        """Leads."""
        return LeadRows()

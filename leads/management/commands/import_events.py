"""``import_events FILE --tenant SLUG``: what leads did, from a CSV file; a JSON object of what came of the rows stands last."""

from typing import Any

from django.core.management.base import CommandParser

from leads.capture.event_rows import EventRows
from leads.capture.imports import Subject
from leads.capture.readable_file import ImportOptions
from leads.management.import_command import ImportCommand
from tenancy.models import Tenant


class Command(ImportCommand):
    help = (
        "Import past events from a CSV file, one a row: type, occurred_at, message_id, properties as JSON or as columns "
        "(properties.NAME), the lead by external_id, email or phone. A message_id that is known is not recorded again. "
        "--create-fields makes a property of every column that fills nothing. The rows are history unless --live. "
        "Exit 0; 1 if every row was refused; 2 for bad arguments or an unreadable or ambiguous file."
    )
    names_leads = True

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--event-type", default="", metavar="TYPE", help="what happened, where no column says it"
        )

    def make_subject(self, tenant: Tenant, options: ImportOptions) -> Subject:
        """Events."""
        return EventRows(event_type=options.event_type, creates_leads=options.creates_leads)

    def more_options(self, options: dict[str, Any]) -> dict[str, Any]:
        """The type of event."""
        return super().more_options(options) | {"event_type": options["event_type"]}

"""What ``import_leads``, ``import_outcomes`` and ``import_events`` share: options, progress, exit codes, the JSON object on the
last line."""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from leads.capture.files import UnreadableFile
from leads.capture.imports import ImportResult, Subject, run_import
from leads.capture.mapping import InvalidOption
from leads.capture.readable_file import AmbiguousDates, ImportOptions
from tenancy.management.commands.add_member import find_tenant
from tenancy.models import Tenant

BAD_ARGUMENTS: Final = 2
EVERY_ROW_REFUSED: Final = 1
PROGRESS_SECONDS: Final = 2.0


class ImportCommand(BaseCommand):
    """A command that imports one file. A subclass says what the file tells of, and whether its rows name leads that may be
    made."""

    names_leads = False
    # The checks of all addresses, pages and templates take as long as thousands of rows, and an import has none.
    requires_system_checks = ()

    def make_subject(self, tenant: Tenant, options: ImportOptions) -> Subject:
        """What the file tells of."""
        raise NotImplementedError

    def more_options(self, options: dict[str, Any]) -> dict[str, Any]:
        """Options that not every import has."""
        return {"creates_leads": options["create_leads"]} if self.names_leads else {}

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "file", type=Path, help="a CSV file: any usual delimiter and encoding, a header first"
        )
        parser.add_argument("--tenant", required=True, metavar="SLUG")
        parser.add_argument(
            "--map", action="append", default=[], metavar="COLUMN=FIELD", help="a column that fills a field"
        )
        parser.add_argument(
            "--value",
            action="append",
            default=[],
            metavar="COLUMN:RAW=VALUE",
            help="what a cell of a column means",
        )
        parser.add_argument(
            "--blank",
            action="append",
            default=[],
            metavar="[COLUMN=]RAW",
            help="a cell that means nothing, in one column or in all",
        )
        parser.add_argument(
            "--create-fields",
            action="store_true",
            help="make a custom field of every column that fills none",
        )
        parser.add_argument(
            "--date-format",
            action="append",
            default=[],
            metavar="[COLUMN=]ymd|dmy|mdy",
            help="how dates are written, in one column or in all; otherwise it is decided from all values of a column",
        )
        parser.add_argument(
            "--live", action="store_true", help="the rows enter as if captured now, not as history"
        )
        if self.names_leads:
            parser.add_argument(
                "--create-leads",
                action="store_true",
                help="make the leads that are not known, instead of refusing rows",
            )
        parser.add_argument("--dry-run", action="store_true", help="count, and write nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            tenant = find_tenant(options["tenant"])
        except CommandError as error:
            raise CommandError(str(error), returncode=BAD_ARGUMENTS) from error
        started = time.monotonic()
        said = ImportOptions(
            maps=options["map"],
            values=options["value"],
            blanks=options["blank"],
            date_formats=options["date_format"],
            create_fields=options["create_fields"],
            is_live=options["live"],
            is_dry_run=options["dry_run"],
            **self.more_options(options),
        )
        try:
            result = run_import(
                subject=self.make_subject(tenant, said),
                tenant=tenant,
                path=options["file"],
                options=said,
                now=timezone.now(),
                progress=self._progress(started),
            )
        except (UnreadableFile, InvalidOption, AmbiguousDates) as error:
            raise CommandError(f"{options['file']}: {error}", returncode=BAD_ARGUMENTS) from error
        self._say_end(result, time.monotonic() - started, is_dry_run=options["dry_run"])
        self.stdout.write(json.dumps(result.as_json(), ensure_ascii=False))
        if result.counts.rows and result.counts.refused == result.counts.rows:
            sys.exit(EVERY_ROW_REFUSED)

    def _progress(self, started: float) -> Callable[[int, int], None]:
        last = started

        def say(done: int, of: int) -> None:
            nonlocal last
            now = time.monotonic()
            if now - last >= PROGRESS_SECONDS:
                last = now
                self._say(f"{done:,} of {of:,} rows, {done / (now - started):,.0f} a second")

        return say

    def _say_end(self, result: ImportResult, seconds: float, *, is_dry_run: bool) -> None:
        done = result.counts.rows
        self._say(f"{done:,} rows in {seconds:.1f} s, {done / max(seconds, 0.001):,.0f} a second")
        for example in result.examples:
            self._say(f"Refused row {example}")
        if result.counts.refused > len(result.examples):
            self._say(f"… and {result.counts.refused - len(result.examples):,} more refused rows")
        if result.failed:
            self._say(
                f"{result.failed:,} leads could not be processed yet; they are tried again by the worker."
            )
        if is_dry_run:
            self._say("Nothing was written.")

    def _say(self, text: str) -> None:
        self.stderr.write(text, style_func=str)

"""``backup FILE``: everything in one file, while everybody goes on working."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from leadsys.backup import BackupError, back_up
from leadsys.management.admin_address import find_admin_address


class Command(BaseCommand):
    help = (
        "Write the whole database, as of this instant, into one file (for a folder: leadsys-DATE.dump in it). Nobody has to "
        "stop working. The last line is the file. Needs DATABASE_ADMIN_URL unless the servers are the embedded ones. The "
        "secret key is not in it; keep that elsewhere."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            file = back_up(admin=find_admin_address(), target=options["file"], now=timezone.now())
        except BackupError as error:
            raise CommandError(str(error)) from error
        self.stderr.write(f"{file.stat().st_size / 1e6:.1f} MB")
        self.stdout.write(str(file))

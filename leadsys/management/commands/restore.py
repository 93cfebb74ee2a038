"""``restore FILE``: a backup into an empty database."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from leadsys.backup import BackupError, restore
from leadsys.management.admin_address import find_admin_address


class Command(BaseCommand):
    help = (
        "Bring a backup into a database that has the three roles and no tables: all of it, or nothing. Then run migrate, which "
        "brings a backup of an older version up to this one. Needs a superuser in DATABASE_ADMIN_URL unless the servers are "
        "the embedded ones (LEADSYS_HOME names a fresh folder for them)."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            restore(admin=find_admin_address(), source=options["file"])
        except BackupError as error:
            raise CommandError(str(error)) from error
        self.stdout.write("Restored. Now: manage.py migrate")

"""``delete_tenant SLUG --confirm SLUG``: every row of a tenant, for ever."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from tenancy.deletion import delete_tenant
from tenancy.errors import Problem
from tenancy.management.commands.add_member import find_tenant


class Command(BaseCommand):
    help = (
        "Suspend a tenant and delete every row of it in every table, and the logins of people who have a place in no other "
        "tenant. Works in batches; when it is interrupted, the same command goes on. It can't be undone: make a backup first."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug")
        parser.add_argument("--confirm", required=True, metavar="SLUG", help="the same address once more")
        parser.add_argument(
            "--patience",
            type=float,
            default=60,
            metavar="SECONDS",
            help="how long to wait for work under way",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["confirm"] != options["slug"]:
            raise CommandError("--confirm must repeat the tenant's address. Nothing was deleted.")
        tenant = find_tenant(options["slug"], even_suspended=True)
        self._told = ""
        try:
            deletion = delete_tenant(
                tenant=tenant,
                now=timezone.now(),
                patience_seconds=options["patience"],
                progress=self._tell,
            )
        except Problem as problem:
            raise CommandError(
                f"{problem.detail} The tenant is suspended; run the command again."
            ) from problem
        rows = sum(deletion.rows.values())
        self.stdout.write(f"{tenant.name} is deleted: {rows} rows of {len(deletion.rows)} tables.")

    def _tell(self, table: str, rows: int) -> None:
        if table != self._told:
            self.stderr.write(f"Deleting from {table}")
            self._told = table

"""``migrate`` runs as the owner of the tables and lets the application's role use what it made."""

from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser
from django.core.management.commands import migrate
from django.db import connections


class Command(migrate.Command):
    help = migrate.Command.help

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.set_defaults(database="owner")

    def handle(self, *args: Any, **options: Any) -> None:
        super().handle(*args, **options)
        if options["database"] == "owner" and not options["plan"] and not options["check_unapplied"]:
            grant_to_application(role=settings.DATABASES["default"]["USER"])


def grant_to_application(*, role: str) -> None:
    """Give the application's role the rows of every table and nothing besides; the audited functions may analyse them."""
    connection = connections["owner"]
    quoted = connection.ops.quote_name(role)
    with connection.cursor() as cursor:
        cursor.execute(f"GRANT USAGE ON SCHEMA public TO {quoted}")
        cursor.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {quoted}")
        # With MAINTAIN one may rewrite a table, too (VACUUM FULL, CLUSTER): no right for who serves the world.
        cursor.execute(f"REVOKE MAINTAIN ON ALL TABLES IN SCHEMA public FROM {quoted}")
        cursor.execute("GRANT MAINTAIN ON ALL TABLES IN SCHEMA public TO leadsys_definer")
        cursor.execute(f"GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {quoted}")
        cursor.execute(f"REVOKE INSERT, UPDATE, DELETE ON django_migrations FROM {quoted}")

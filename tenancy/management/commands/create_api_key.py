"""``create_api_key --tenant SLUG --name NAME``: the key stands alone on the last line."""

from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from tenancy.errors import Problem
from tenancy.keys import create_key
from tenancy.management.commands.add_member import find_tenant
from tenancy.models import ApiKey, Scope
from tenancy.scope import tenant_scope

# What a program that works with leads needs; settings are asked for by name.
DEFAULT_SCOPES: Final = (Scope.LEADS_READ, Scope.LEADS_WRITE, Scope.EVENTS_WRITE, Scope.INSIGHT_READ)


class Command(BaseCommand):
    help = "Make an API key of a tenant. It is printed alone on the last line and never shown again."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--tenant", required=True, metavar="SLUG")
        parser.add_argument("--name", required=True, help="where it will be used")
        parser.add_argument(
            "--scope",
            action="append",
            choices=Scope.values,
            dest="scopes",
            help=f"repeat for several; default: {' '.join(DEFAULT_SCOPES)}",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        tenant = find_tenant(options["tenant"])
        name, most = options["name"].strip(), ApiKey._meta.get_field("name").max_length or 0
        if not 0 < len(name) <= most:
            raise CommandError(f"--name must have 1 to {most} characters.")
        scopes = options["scopes"] or DEFAULT_SCOPES
        try:
            with tenant_scope(tenant.pk):
                row, key = create_key(name=name, scopes=scopes, by=None, now=timezone.now())
        except Problem as problem:
            raise CommandError(str(problem.detail)) from problem
        self.stdout.write(
            f"Key {row.name!r} of {tenant.name} may: {', '.join(row.scopes)}. Keep it; it is not shown again."
        )
        self.stdout.write(key)

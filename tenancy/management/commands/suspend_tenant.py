"""``suspend_tenant SLUG``: nobody works in it until ``resume_tenant SLUG``; nothing is lost."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from tenancy.management.commands.add_member import find_tenant
from tenancy.suspension import suspend_tenant


class Command(BaseCommand):
    help = (
        "Let nobody into a tenant: its pages, API, forms, sweeps and sends stop, requests and batches under way end. Nothing "
        "is lost; what is due meanwhile is done after resume_tenant. People can still unsubscribe."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug")
        parser.add_argument("--reason", default="", help="for the tenant's audit log")

    def handle(self, *args: Any, **options: Any) -> None:
        tenant = find_tenant(options["slug"], even_suspended=True)
        if suspend_tenant(tenant=tenant, now=timezone.now(), reason=options["reason"]):
            self.stdout.write(f"{tenant.name} is suspended. To let it in again: resume_tenant {tenant.slug}")
        else:
            self.stdout.write(
                f"{tenant.name} was suspended already, at {tenant.suspended_at:%Y-%m-%d %H:%M} UTC."
            )

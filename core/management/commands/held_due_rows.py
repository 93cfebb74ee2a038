"""``held_due_rows``: what failed three times and was given up, with its error; ``--retry`` makes it due again."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from core.due import list_held, retry_held
from core.masking import mask
from tenancy.models import Tenant
from tenancy.scope import tenant_scope


class Command(BaseCommand):
    help = (
        "List the due rows that failed three times and are acted on no more, one a line: tenant, kind, subject, since, error. "
        "With --retry they are due again at once; mend what broke them first."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--tenant", default="", metavar="SLUG", help="of this tenant only")
        parser.add_argument("--kind", default="", help="of this kind only")
        parser.add_argument("--retry", action="store_true", help="make them due again")

    def handle(self, *args: Any, **options: Any) -> None:
        tenants = Tenant.objects.order_by("slug")
        if options["tenant"]:
            tenants = tenants.filter(slug=options["tenant"])
            if not tenants:
                raise CommandError(f"There is no tenant {options['tenant']}.")
        retried = 0
        for tenant in tenants:
            with tenant_scope(tenant.pk, even_suspended=True):
                self._show(tenant, kind=options["kind"])
                if options["retry"]:
                    retried += retry_held(now=timezone.now(), kind=options["kind"])
        if options["retry"]:
            self.stdout.write(f"{retried} due again")

    def _show(self, tenant: Tenant, *, kind: str) -> None:
        for row in list_held():
            if kind in {"", row.kind}:
                first = mask(row.error.partition("\n")[0])
                self.stdout.write(
                    f"{tenant.slug} {row.kind} {row.subject} {row.held_at:%Y-%m-%dT%H:%MZ} {first}"
                )

"""``create_tenant NAME --slug SLUG --admin EMAIL``: a tenant that works from the first minute."""

from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.core.validators import validate_email
from django.db import transaction
from django.utils import timezone

from tenancy.forms import TenantForm
from tenancy.invitations import link_to, make_member_link
from tenancy.models import Tenant
from tenancy.scope import tenant_scope
from tenancy.services import create_tenant


class Command(BaseCommand):
    help = "Make a tenant with the default pack and print a one-time link for its administrator on the last line."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name")
        parser.add_argument("--slug", required=True, help="its address: /t/SLUG/")
        parser.add_argument("--admin", required=True, metavar="EMAIL")
        parser.add_argument("--time-zone", default="America/Sao_Paulo")
        parser.add_argument("--language", default="pt-BR", help="en or pt-BR")
        parser.add_argument("--currency", default="BRL")
        parser.add_argument("--country", default="BR")

    def handle(self, *args: Any, **options: Any) -> None:
        values = check_tenant(options)
        email = check_email(options["admin"])
        now = timezone.now()
        with transaction.atomic():
            tenant, admin = create_tenant(admin_email=email, now=now, **values)
            with tenant_scope(tenant.pk):
                token = make_member_link(member=admin, by=None, now=now)
        assert admin.user is not None
        if admin.user.has_usable_password():
            self.stdout.write(
                f"{tenant.name} is ready. {admin.email} has a login already; the link opens it there:"
            )
        else:
            self.stdout.write(f"{tenant.name} is ready. With this link {admin.email} sets a password, once:")
        self.stdout.write(link_to(token=token))


def check_tenant(options: dict[str, Any]) -> dict[str, Any]:
    """The checked values of a tenant; CommandError says which option is wrong and how to mend it."""
    fields = ("name", "slug", "time_zone", "language", "currency", "country")
    form = TenantForm({field: options[field] for field in fields})
    if not form.is_valid():
        raise CommandError("\n".join(_problem(field, options, form) for field in form.errors))
    return dict(form.cleaned_data)


def _problem(field: str, options: dict[str, Any], form: TenantForm) -> str:
    if field == "slug" and Tenant.objects.filter(slug=options["slug"]).exists():
        return f"--slug: {options['slug']} is taken. Choose another."
    option = "NAME" if field == "name" else f"--{field.replace('_', '-')}"
    return f"{option}: {' '.join(str(error) for error in form.errors[field])}"


def check_email(email: str) -> str:
    """An e-mail that can be a login. Raises CommandError."""
    try:
        validate_email(email.strip())
    except ValidationError as error:
        raise CommandError(f"{email!r} is not an e-mail address.") from error
    return email.strip()

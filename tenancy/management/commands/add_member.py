"""``add_member EMAIL --tenant SLUG --role R``: a person joins a tenant at once."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from tenancy.errors import Problem
from tenancy.invitations import add_member, link_to
from tenancy.management.commands.create_tenant import check_email
from tenancy.models import Role, Team, Tenant
from tenancy.scope import tenant_scope


class Command(BaseCommand):
    help = (
        "Make a person a member of a tenant and print a one-time link on the last line, with which they set their password. "
        "A team that does not exist is made, with the function of the first role that is one (marketing, sdr, sales); who "
        "comes first into a team without a lead leads it."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email")
        parser.add_argument("--tenant", required=True, metavar="SLUG")
        parser.add_argument("--role", required=True, action="append", choices=Role.values, dest="roles")
        parser.add_argument("--team", default="", metavar="NAME")
        parser.add_argument("--name", default="", help="as colleagues see it; default: the part before the @")

    def handle(self, *args: Any, **options: Any) -> None:
        tenant = find_tenant(options["tenant"])
        email = check_email(options["email"])
        for option, most in (("team", Team._meta.get_field("name").max_length), ("name", 120)):
            if len(options[option]) > (most or 0):
                raise CommandError(f"--{option} may have at most {most} characters.")
        try:
            with tenant_scope(tenant.pk):
                member, token = add_member(
                    email=email,
                    roles=options["roles"],
                    name=options["name"].strip(),
                    team_name=options["team"].strip(),
                    now=timezone.now(),
                )
        except Problem as problem:
            raise CommandError(str(problem.detail)) from problem
        assert member.user is not None
        if member.user.has_usable_password():
            self.stdout.write(
                f"{member.email} belongs to {tenant.name} now and has a login; the link opens it there:"
            )
        else:
            self.stdout.write(
                f"{member.email} belongs to {tenant.name} now. With this link they set a password, once:"
            )
        self.stdout.write(link_to(token=token))


def find_tenant(slug: str, *, even_suspended: bool = False) -> Tenant:
    """The tenant of this address. Raises CommandError if there is none, or if it is suspended."""
    tenant = Tenant.objects.filter(slug=slug).first()
    if tenant is None:
        raise CommandError(f"There is no tenant {slug!r}. Make it with create_tenant.")
    if tenant.suspended_at is not None and not even_suspended:
        raise CommandError(f"The tenant {slug!r} is suspended. Resume it first: resume_tenant {slug}")
    return tenant

"""The demo tenant and a person to sign in as for each role."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from tenancy.models import Membership, Role, Team, TeamFunction, Tenant
from tenancy.scope import tenant_scope
from tenancy.services import create_tenant, get_or_create_login, join_tenant

SLUG: Final = "horizonte"
# Printed at every start of `make run`; a demo is not a place for secrets.
PASSWORD: Final = "leadsys-demo-2026"  # noqa: S105


@dataclass(frozen=True)
class DemoPerson:
    """Somebody to sign in as."""

    role: Role
    email: str
    name: str
    team: str | None = None
    is_lead: bool = False


PEOPLE: Final = (
    DemoPerson(Role.ADMIN, "admin@horizonte.example", "Helena Prado"),
    DemoPerson(Role.MANAGER, "manager@horizonte.example", "Sérgio Bastos"),
    DemoPerson(Role.MARKETING, "marketing@horizonte.example", "Clara Viana", "Marketing", is_lead=True),
    DemoPerson(Role.SDR, "sdr@horizonte.example", "Bruno Leal", "Pré-vendas", is_lead=True),
    DemoPerson(Role.SDR, "sdr2@horizonte.example", "Ana Couto", "Pré-vendas"),
    DemoPerson(Role.SALES, "sales@horizonte.example", "Diego Moura", "Vendas", is_lead=True),
    DemoPerson(Role.SALES, "sales2@horizonte.example", "Paula Assis", "Vendas"),
    DemoPerson(Role.VIEWER, "viewer@horizonte.example", "Iara Queiroz"),
)
FUNCTIONS: Final = {
    "Marketing": TeamFunction.MARKETING,
    "Pré-vendas": TeamFunction.SDR,
    "Vendas": TeamFunction.SALES,
}


def ensure_people(*, now: datetime) -> Tenant:
    """Make the demo tenant with its teams and people unless it is there; safe to run at every start."""
    tenant = Tenant.objects.filter(slug=SLUG).first()
    if tenant is None:
        tenant, _admin = create_tenant(name="Horizonte SaaS", slug=SLUG, admin_email=PEOPLE[0].email, now=now)
    with tenant_scope(tenant.pk):
        teams = {
            name: Team.objects.get_or_create(name=name, defaults={"function": function})[0]
            for name, function in FUNCTIONS.items()
        }
        for person in PEOPLE:
            ensure_person(person, team=teams.get(person.team or ""), now=now)
    return tenant


def ensure_person(person: DemoPerson, *, team: Team | None, now: datetime) -> Membership:
    """A member with the demo password, in a team if the role has one."""
    user = get_or_create_login(email=person.email)
    if not user.has_usable_password():
        user.name = person.name
        user.set_password(PASSWORD)
        user.save()
    member: Membership | None = Membership.objects.filter(user=user).first()
    if member is None:
        member = join_tenant(user=user, roles=[person.role], now=now, name=person.name, team=team)
    elif member.name != person.name:
        member.name = person.name
        member.save(update_fields=["name"])
    if team is not None and person.is_lead and team.lead_member_id is None:
        team.lead_member = member
        team.save(update_fields=["lead_member"])
    return member


def lines() -> list[str]:
    """One line a person, as `make run` prints them."""
    return [f"{person.role.value:<10} {person.email:<30} {PASSWORD}" for person in PEOPLE]

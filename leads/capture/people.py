"""Who is meant by the texts with which a file names people: members, or persons kept by the text."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Final, NamedTuple

from django.db import connection

from leads.models import KeptPerson
from tenancy.models import MemberKind, Membership, normalise_login
from tenancy.scope import require_tenant_id


class Person(NamedTuple):
    """A member or a kept person; exactly one of the two is given."""

    member_id: int | None
    kept_id: int | None


def find_people(*, texts: Iterable[str]) -> dict[str, Person]:
    """Everybody named by these texts. Who is no member is kept: one person for each text, in whichever roles.

    An active member is named by login e-mail, or by name if no two members share it; neither depends on case.
    """
    wanted = set(texts)
    if not wanted:
        return {}
    members = _members_by_text()
    found = {text: Person(members[key], None) for text in wanted if (key := normalise_login(text)) in members}
    return found | _keep(sorted(wanted - found.keys()))


def _members_by_text() -> dict[str, int]:
    """Members by their login, and by their name in lower case where only one has it."""
    rows = Membership.objects.filter(kind=MemberKind.PERSON, is_active=True).values_list(
        "id", "name", "user__email"
    )
    by_name: dict[str, list[int]] = defaultdict(list)
    by_email: dict[str, int] = {}
    for member_id, name, email in rows:
        by_name[normalise_login(name)].append(member_id)
        by_email[email] = member_id
    return {name: ids[0] for name, ids in by_name.items() if len(ids) == 1} | by_email


def _keep(texts: list[str]) -> dict[str, Person]:
    if not texts:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(_KEEP, [require_tenant_id(), texts])
    kept = KeptPerson.objects.filter(text__in=texts).values_list("text", "id")
    return {text: Person(None, kept_id) for text, kept_id in kept}


_KEEP: Final = """
INSERT INTO leads_keptperson (tenant_id, text)
SELECT %s, given.text FROM unnest(%s::text[]) AS given (text)
ON CONFLICT (tenant_id, text) DO NOTHING
"""

"""Whom erasures look for, and where they find them: in the rows that are about them, and in texts that name them."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from django.db import connection
from django.db.models import Count, Q, QuerySet

from core.models import StoredFile, StoredPiece
from leads.erasure.holdings import Holding, get_holding
from leads.erasure.identities import identities_of
from leads.models import Lead, Submission

# A shorter text stands in too many others to be looked for.
SHORTEST_TEXT: Final = 6
# So many last digits of a phone number are somebody's alone, however it is written.
PHONE_DIGITS: Final = 10
# What means something in LIKE.
_LIKE: Final = re.compile(r"[\\%_]")
_APART: Final = "\x1f"
# The key of a row, or its parts where the table has several.
Key: TypeAlias = int | tuple[Any, ...]


@dataclass(frozen=True)
class Person:
    """Who is looked for: what is theirs alone, their name, the last digits of their phone."""

    lead_id: int
    texts: tuple[str, ...]
    name: str
    digits: str
    identities: tuple[str, ...]

    def wanted(self, *, by_name: bool) -> list[str]:
        """What is looked for in texts."""
        return [*self.texts, *([self.name] if by_name and self.name else [])]

    def is_in(self, text: str, *, by_name: bool) -> bool:
        """Whether a text names them."""
        folded = text.lower()
        if any(each.lower() in folded for each in self.wanted(by_name=by_name)):
            return True
        return bool(self.digits) and any(
            self.digits in re.sub(r"\D", "", part) for part in text.split(_APART)
        )


def read_person(lead: Lead) -> Person:
    """Whom a lead is about."""
    texts = [
        text for text in (lead.email, lead.external_id, lead.phone) if text and len(text) >= SHORTEST_TEXT
    ]
    digits = re.sub(r"\D", "", lead.phone or "")[-PHONE_DIGITS:]
    name = lead.name or " ".join(filter(None, (lead.first_name, lead.last_name)))
    return Person(
        lead.pk,
        tuple(texts),
        name if len(name) >= SHORTEST_TEXT else "",
        digits if len(digits) == PHONE_DIGITS else "",
        identities_of(lead.email, lead.external_id, lead.phone),
    )


@dataclass(frozen=True)
class Found:
    """The rows of one table that tell of people: their keys where the lead does not say it, and how many of each person."""

    named: Collection[Key]
    counts: Mapping[int, int]


def find_rows(holding: Holding, people: Sequence[Person]) -> Found:
    """The rows that tell of people: one look at the table, however many they are."""
    model: Any = holding.model_class
    counts: dict[int, int] = {}
    if holding.lead:
        theirs = model.objects.filter(**{f"{holding.lead}__in": [person.lead_id for person in people]})
        counts = dict(theirs.order_by().values_list(holding.lead).annotate(rows=Count("*")))
    named = _find_named(holding, people) if holding.told else {}
    for lead_id, text in named.values():
        for person in people:
            if person.lead_id != lead_id and person.is_in(text, by_name=holding.by_name):
                counts[person.lead_id] = counts.get(person.lead_id, 0) + 1
    return Found(named.keys(), counts)


def rows_in(holding: Holding, people: Sequence[Person], named: Collection[Key]) -> QuerySet[Any, Any]:
    """The rows that tell of people, ``named`` among them."""
    model: Any = holding.model_class
    theirs = Q(pk__in=list(named))
    if holding.lead:
        theirs |= Q(**{f"{holding.lead}__in": [person.lead_id for person in people]})
    return model.objects.filter(theirs)  # type: ignore[no-any-return]


def rows_of(holding: Holding, person: Person) -> QuerySet[Any, Any]:
    """The rows that tell of one person."""
    return rows_in(holding, [person], _find_named(holding, [person]) if holding.told else ())


def wait_for_captures(people: Sequence[Person]) -> None:
    """Lock what came in about people and is not processed yet: who processes locks it before the lead, so that is the order."""
    holding = get_holding("leads.Submission")
    named = _find_named(holding, people, among="state IN ('received', 'held')")
    list(Submission.objects.select_for_update(of=("self",)).filter(pk__in=named).order_by("pk").values("pk"))


def _find_named(
    holding: Holding, people: Sequence[Person], *, among: str = "true"
) -> dict[Key, tuple[int | None, str]]:
    """Rows in whose columns somebody is named, by their keys: the lead that they are about, and what stands in these columns."""
    wanted = [text for person in people for text in person.wanted(by_name=holding.by_name)]
    digits = [person.digits for person in people if person.digits]
    meta = holding.model_class._meta
    columns = [f'"{meta.get_field(name).column}"::text' for name in holding.told]  # type: ignore[union-attr]
    if not wanted and not digits:
        return {}
    named = " OR ".join(
        _names_somebody(column, wanted=bool(wanted), digits=bool(digits)) for column in columns
    )
    key = ", ".join(f'"{part.column}"' for part in meta.pk_fields)
    about = "NULL"
    if holding.lead:
        about = key if holding.lead == "pk" else f'"{meta.get_field(holding.lead).column}"'  # type: ignore[union-attr]
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {about}, concat_ws(%(apart)s, {', '.join(columns)}), {key}"  # noqa: S608 - names of our own
            f' FROM "{meta.db_table}" WHERE {among} AND ({named})',
            {
                "wanted": [f"%{_LIKE.sub(_escaped, text)}%" for text in wanted],
                "digits": [f"%{each}%" for each in digits],
                "apart": _APART,
            },
        )
        rows = cursor.fetchall()
    return {pk[0] if len(pk) == 1 else tuple(pk): (lead_id, text) for lead_id, text, *pk in rows}


def _names_somebody(column: str, *, wanted: bool, digits: bool) -> str:
    """Most texts of some tables are empty, which is seen before anybody is looked for in them."""
    looks = []
    if wanted:
        any_of_them = "ANY (ARRAY(SELECT lower(one) FROM unnest(%(wanted)s::text[]) one))"
        looks.append(f"lower({column}) LIKE {any_of_them}")
    if digits:
        looks.append(f"regexp_replace({column}, '\\D', '', 'g') LIKE ANY (%(digits)s)")
    return f"length({column}) >= {SHORTEST_TEXT} AND ({' OR '.join(looks)})"


def _escaped(found: re.Match[str]) -> str:
    return f"\\{found[0]}"


def find_files(people: Sequence[Person]) -> list[int]:
    """Files that name people in their name or a piece, and those in which nobody can look: workbooks, ZIPs."""
    packed = Q(name__iendswith=".xlsx") | Q(name__iendswith=".zip")
    wanted = [text for person in people for text in person.wanted(by_name=True)]
    for text in wanted:
        packed |= Q(name__icontains=text)
    found = set(StoredFile.objects.filter(packed).values_list("pk", flat=True))
    if wanted:
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT DISTINCT file_id FROM {StoredPiece._meta.db_table} piece WHERE EXISTS ("  # noqa: S608 - ours
                "SELECT FROM unnest(%s::bytea[]) one WHERE position(one IN piece.content) > 0)",
                [[text.encode() for text in wanted]],
            )
            found |= {file_id for (file_id,) in cursor.fetchall()}
    return sorted(found)

"""Finding leads by what people type: parts of names, e-mails, companies, phones, external ids, in any order and spelling.

Every word of the search has to be found in the lead's text. A word of five letters or more may stand anywhere in it, a shorter
one begins a word there. The index of such parts is no use under row security, so an audited function asks it
(``leadsys_search_page``, ``leadsys_search_leads``); it takes the tenant from the scope and gives ids.

The first gives a page in order of creation: it goes through the leads span by span of time, as the index knows in which spans a
lead was created, and stops as soon as it has enough. The second serves filters and other orders: it gives all that match. Where
they are more than it gives, they are so many that walking through the list in its own order soon finds a page of them; a sample
tells that of the commonest words.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.contrib.postgres.fields import ArrayField
from django.db import connection
from django.db.models import BigIntegerField, F, IntegerField, OuterRef, Subquery, TextField
from django.utils.translation import gettext_lazy

from leads.capture.values import fold_text
from leads.conditions.logic import AllOf, AnyOf, Bind, Compare, Fragment, InList, InSet, Like, Truth
from leads.conditions.statements import Statement
from leads.models import LeadSearch
from tenancy.listing import Count
from tenancy.scope import require_tenant_id

# With more matches a page is found sooner by walking through the list than by looking them all up.
MOST_FOUND: Final = 15_000
# So many texts, evenly spread, tell whether a text is common: the index would gather all that match before it gives the first.
SAMPLE: Final = 200
EVERY: Final = 2**31 - 1
COMMON: Final = 0.02
# Fewer letters and digits have no part that the index knows.
SHORTEST: Final = 3
MOST_WORDS: Final = 8
# A word of this length is looked for inside of words, too.
INSIDE: Final = 5
HINT: Final = gettext_lazy(
    "A word of fewer than five letters is found where a word begins: “mar” finds Mariana, “ana” does not."
)
# So many digits, however they are grouped, are a phone's.
PHONE_DIGITS: Final = 8


@dataclass(frozen=True)
class Search:
    """What a text means. ``lead_ids`` are the leads that match, or None if they are many or the text is very short."""

    text: str
    patterns: tuple[str, ...]
    lead_ids: tuple[int, ...] | None

    @property
    def is_looked_up(self) -> bool:
        """Whether the index has said which leads match; otherwise the list is walked through, which may take long."""
        return self.lead_ids is not None

    @property
    def is_common(self) -> bool:
        """Whether more than MOST_FOUND leads match: so many that nobody counts them."""
        return self.lead_ids is None and bool(self.patterns)

    def gathered(self) -> Truth:
        """Whether a lead, or its standing, is in the set of all that the index finds: for where a walk finds none near."""
        patterns = Bind(list(dict.fromkeys(self.patterns)), ArrayField(TextField()))
        function = "(SELECT leadsys_search_leads({}, {}))"
        every = Bind(EVERY, IntegerField())
        return InSet(F("pk"), Fragment(function, patterns, every, output_field=BigIntegerField()))

    def truth(self) -> Truth:
        """Whether a lead matches, for ``filter()`` on leads."""
        if self.lead_ids is not None:
            return has_id(self.lead_ids)
        if not self.patterns:
            return _short_truth(self.text)
        # Read for each lead by its key, never joined: the planner takes a common text for a rare one and would sort them all.
        text = Subquery(LeadSearch.objects.filter(lead=OuterRef("pk")).values("text"))
        return AllOf(*(Like(text, Bind(pattern, TextField())) for pattern in self.patterns))


@dataclass(frozen=True)
class Hits:
    """Leads that match, in order of creation. ``rows``: instant and id of those on a page. ``seen``: how many were found on the
    way, to one more than was to be counted. ``is_all``: whether no more match."""

    rows: list[tuple[datetime, int]]
    seen: int
    is_all: bool

    def count(self, *, limit: int) -> Count:
        """How many match; of what was not counted to its end a round number that it is more than."""
        if self.is_all or self.seen > limit:
            return Count.up_to(self.seen, limit=limit)
        return Count(value=self.seen // (step := 10 ** (len(str(self.seen)) - 1)) * step, exact=False)


def is_indexed(*, text: str) -> bool:
    """Whether a text has a part that the index knows."""
    return bool(_patterns(fold_text(text)))


def search_in_order(
    *, text: str, is_descending: bool, beyond: tuple[datetime, int] | None, size: int, counted_to: int
) -> Hits:
    """The leads that match a text in order of creation: at most ``size``, beyond an instant and id if given. The text has to
    be indexed."""
    patterns = list(dict.fromkeys(_patterns(fold_text(text))))
    at, lead_id = beyond or (None, None)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT matched, is_all, lead_ids, created_ats FROM leadsys_search_page(
                %s::text[], %s, %s::timestamptz, %s::bigint, %s::integer, %s::integer
            )
            """,
            [patterns, is_descending, at, lead_id, size, counted_to + 1],
        )
        seen, is_all, lead_ids, instants = cursor.fetchone()
    return Hits(list(zip(instants or (), lead_ids or (), strict=True)), seen, is_all)


def count_found(*, text: str, limit: int) -> Count:
    """How many leads match a text that is indexed: exact to the limit, which takes longer than to find a page of them."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM (SELECT leadsys_search_leads(%s::text[], %s)) found",
            [list(dict.fromkeys(_patterns(fold_text(text)))), limit + 1],
        )
        (number,) = cursor.fetchone()
    return Count.up_to(number, limit=limit)


def has_id(lead_ids: Iterable[int]) -> Truth:
    """Whether a lead, or its standing, is one of these. They go as one text: psycopg looks at each element several times."""
    return InList(F("pk"), Bind(f"{{{','.join(map(str, lead_ids))}}}", ArrayField(BigIntegerField())))


def search_leads(*, text: str) -> Search:
    """Ask the index which leads of the tenant match a text."""
    patterns = tuple(_patterns(fold_text(text)))
    if not patterns:
        return Search(text, (), None)
    if _is_common(patterns):
        return Search(text, patterns, None)
    with connection.cursor() as cursor:
        # One text in place of thousands of rows, each of which would be made an object by itself.
        cursor.execute(
            "SELECT array_to_string(ARRAY(SELECT leadsys_search_leads(%s::text[], %s)), ' ')",
            [list(dict.fromkeys(patterns)), MOST_FOUND + 1],
        )
        (found,) = cursor.fetchone()
        lead_ids = tuple(map(int, found.split()))
    return Search(text, patterns, lead_ids if len(lead_ids) <= MOST_FOUND else None)


# The ends of the tenant's own ids are the ends of an index; between them a few are looked up by key.
_SAMPLED: Final = """
WITH ends AS MATERIALIZED (
    SELECT (SELECT id FROM leads_lead ORDER BY tenant_id, id LIMIT 1) AS low,
        (SELECT id FROM leads_lead ORDER BY tenant_id DESC, id DESC LIMIT 1) AS high
)
SELECT count(*), count(*) FILTER (WHERE known.text LIKE ALL (%s::text[]))
FROM ends, generate_series(1, %s) place CROSS JOIN LATERAL (
    SELECT text FROM leads_leadsearch WHERE lead_id = low + (high - low) * place / %s OFFSET 0
) known
WHERE high - low > %s
"""


def _is_common(patterns: tuple[str, ...]) -> bool:
    """Whether of a sample of the tenant's leads so many match that the next one is near wherever one looks."""
    with connection.cursor() as cursor:
        cursor.execute(_SAMPLED, [list(patterns), SAMPLE, SAMPLE, MOST_FOUND / COMMON])
        sampled, matching = cursor.fetchone()
    return bool(sampled > SAMPLE / 2 and matching > COMMON * sampled)


def _patterns(folded: str) -> list[str]:
    """One LIKE pattern a word; folded words hold letters and digits alone, so nothing in them is a wildcard."""
    words = folded.split()
    joined = "".join(words)
    if len(joined) < SHORTEST:
        return []
    if joined.isdigit() and len(joined) >= PHONE_DIGITS:
        words = [joined]
    return [f"%{word}%" if len(word) >= INSIDE else f"% {word}%" for word in words[:MOST_WORDS]]


def _short_truth(text: str) -> Truth:
    """Of one or two letters: an exact e-mail or external id, or a name that begins with them; each by its own index."""
    alternatives: list[Truth] = [
        Compare(F("email"), "=", Bind(text.lower(), TextField())),
        Compare(F("external_id"), "=", Bind(text, TextField())),
    ]
    if key := fold_text(text):
        alternatives.append(Compare(F("name_key"), "^@", Bind(key, TextField())))
    return AnyOf(*alternatives)


# Accents, case and punctuation removed, as fold_text does; what is folded already is taken as it is. Plain letters need less.
_PLAIN: Final = r"replace(regexp_replace(lower(normalize({}, NFKD)), '[\u0300-\u036f]+', '', 'g'), 'ß', 'ss')"
_WORDS: Final = "regexp_replace({}, '[^[:alnum:]]+', ' ', 'g')"
_FOLDED: Final = f"""CASE WHEN octet_length({{0}}) = char_length({{0}}) THEN regexp_replace(lower({{0}}), '[^a-z0-9]+', ' ', 'g')
    ELSE {_WORDS.format(_PLAIN.format("{0}"))} END"""
# Of tables that are called lead and company in the statement around.
SEARCH_TEXT: Final = f"""(' ' || concat_ws(
    ' ', lead.name_key, {_FOLDED.format("lead.email")}, {_FOLDED.format("lead.external_id")},
    regexp_replace(lead.phone, '[^0-9]+', '', 'g'), company.name_key,
    CASE WHEN company.domain = split_part(lead.email, '@', 2) THEN NULL ELSE {_WORDS.format("company.domain")} END))"""

# Only rows that differ are written; a conflict alone would write the row it locks. OFFSET 0: each text is made once.
REFRESH: Final = f"""
INSERT INTO leads_leadsearch AS known (tenant_id, lead_id, created_at, text)
SELECT %(tenant)s::bigint, told.id, told.created_at, told.text
FROM (
    SELECT lead.id, lead.created_at, {SEARCH_TEXT} AS text
    FROM leads_lead lead LEFT JOIN leads_company company ON company.id = lead.company_id
    WHERE lead.id = ANY (%(lead_ids)s::bigint[])
    OFFSET 0
) told LEFT JOIN leads_leadsearch present ON present.lead_id = told.id AND present.lead_id = ANY (%(lead_ids)s::bigint[])
WHERE present.text IS DISTINCT FROM told.text
ORDER BY told.id
ON CONFLICT (lead_id) DO UPDATE SET text = EXCLUDED.text
"""  # noqa: S608 - only the constants above


_REFRESH: Final = Statement.text(REFRESH)


# A text that nobody else can have written costs a tenth less without being ready for it.
_WRITE: Final = Statement.text(f"""
INSERT INTO leads_leadsearch (tenant_id, lead_id, created_at, text)
SELECT %(tenant)s::bigint, lead.id, lead.created_at, {SEARCH_TEXT}
FROM leads_lead lead LEFT JOIN leads_company company ON company.id = lead.company_id
WHERE lead.id = ANY (%(lead_ids)s::bigint[])
ORDER BY lead.id
""")  # noqa: S608 - only the constants above


def refresh_search(*, lead_ids: Collection[int], newborn: Collection[int] = ()) -> None:
    """Bring the texts by which these leads are found in step with what is known of them. ``newborn``: those among them that were
    made in this transaction and have none."""
    known = [lead_id for lead_id in lead_ids if lead_id not in newborn]
    if newborn:
        _WRITE.execute(tenant=require_tenant_id(), lead_ids=[*newborn])
    if known:
        _REFRESH.execute(tenant=require_tenant_id(), lead_ids=known)


def refresh_search_of_companies(*, company_ids: Iterable[int]) -> None:
    """The same for all leads of companies whose name or domain has changed."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id FROM leads_lead WHERE company_id = ANY (%s::bigint[]) ORDER BY id", [list(company_ids)]
        )
        lead_ids = [lead_id for (lead_id,) in cursor.fetchall()]
    if lead_ids:
        refresh_search(lead_ids=lead_ids)

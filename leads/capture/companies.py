"""Finding or making the employers that rows tell of."""

from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

from leads.capture.inputs import LeadInput
from leads.capture.writing import as_json
from leads.conditions.statements import Statement
from leads.models import EmailKind
from leads.search import refresh_search_of_companies
from tenancy.scope import require_tenant_id

if TYPE_CHECKING:
    from leads.capture.intake import Intake

# Columns of leads_company, and what a row calls them.
GIVEN: Final = {
    "name": "company",
    "name_key": "company_key",
    "domain": "company_domain",
    "cnpj": "cnpj",
    "size": "company_size",
    "revenue_minor": "company_revenue_minor",
    "industry": "industry",
}
COLUMNS: Final = tuple(GIVEN)
_given_values: Final = attrgetter(*GIVEN.values())
_NOTHING: Final = (None,) * len(GIVEN)
IDENTITY: Final = ("cnpj", "domain", "name_key")
_TYPED: Final = (
    "name text, name_key text, domain text, cnpj text, size integer, revenue_minor bigint, industry text"
)


def find_or_make_companies(rows: "Sequence[Intake]") -> None:
    """Set the company that each row tells of: found by CNPJ, domain, name, or made; what is new about it is kept.

    A row of a lead that is not made yet is about nobody's company but those it names.
    """
    telling, told, current = _told_of_companies(rows)
    if not telling:
        return
    known = CompanyIndex(wanted=told, ids=current)
    for row, values, company_id in zip(telling, told, current, strict=True):
        row.company, has_changed = known.take(values, company_id)
        if has_changed:
            row.touch()
    known.write()


def recognise_companies(rows: "Sequence[Intake]") -> "list[Intake]":
    """Set the company of each row that tells nothing new of one that is known; returns the rows that are left to
    ``find_or_make_companies``. Locks and writes nothing.

    New companies are in nobody's way, but a row that changes a known one may decide which company the next row is about.
    """
    telling, told, current = _told_of_companies(rows)
    known = CompanyIndex(wanted=told, ids=current, is_locking=False)
    companies = [known.take(values, company_id)[0] for values, company_id in zip(told, current, strict=True)]
    if known.has_changed:
        return telling
    left = []
    for row, company in zip(telling, companies, strict=True):
        if "id" in company:
            row.company = company
        else:
            left.append(row)
    return left


def _told_of_companies(
    rows: "Sequence[Intake]",
) -> "tuple[list[Intake], list[dict[str, Any]], list[int | None]]":
    """The rows that tell of a company, what each says of it, and the company of its lead now."""
    telling = [row for row in rows if tells_of_company(row.given)]
    told = [company_values(row) for row in telling]
    return telling, told, [row.known["company_id"] if row.known else None for row in telling]


def attach_companies(rows: "Sequence[Intake]") -> None:
    """Find or make the companies that rows of known leads tell of, and give the leads to them."""
    find_or_make_companies(rows)
    attach_found_companies(rows)


def attach_found_companies(rows: "Iterable[Intake]") -> None:
    """Give known leads to the company that was found for their row."""
    attached: dict[int, int] = {}
    for row in rows:
        if row.company is not None and row.known and row.known["company_id"] != row.company["id"]:
            attached[row.known["id"]] = row.company["id"]
            row.touch()
    attach(attached)


def tells_of_company(given: LeadInput) -> bool:
    """Whether a row names or describes a company; an e-mail alone is left to the identify step."""
    return _given_values(given) != _NOTHING


def company_values(row: "Intake") -> dict[str, Any]:
    """What a row says about its company; a business e-mail says its domain."""
    values: dict[str, Any] = dict(zip(COLUMNS, _given_values(row.given), strict=True))
    if values["domain"] is None and row.given.email_kind == EmailKind.BUSINESS and row.given.email:
        values["domain"] = row.given.email.rpartition("@")[2]
    return values


class CompanyIndex:
    """The companies that a wave of rows is about, as they stand and as they become."""

    def __init__(
        self, *, wanted: Sequence[dict[str, Any]], ids: Iterable[int | None] = (), is_locking: bool = True
    ) -> None:
        self._by: dict[tuple[str, str], dict[str, Any]] = {}
        self._by_id: dict[int, dict[str, Any]] = {}
        self._fresh: list[dict[str, Any]] = []
        self._changed: dict[int, dict[str, Any]] = {}
        found = find_companies(
            wanted, [company_id for company_id in ids if company_id], is_locking=is_locking
        )
        for company in found:
            self._remember(company)
        # Who is called so now comes before who was called so once.
        for company in found:
            for former in company["former_names"]:
                self._by.setdefault(("name_key", former), company)

    def take(self, values: dict[str, Any], company_id: int | None = None) -> tuple[dict[str, Any], bool]:
        """The company that these values of a lead are about, with them merged in, and whether that changed it.

        ``company_id`` is the lead's company now.
        """
        company = self._find(values, company_id)
        if company is None:
            company = dict(values)
            self._fresh.append(company)
            self._remember(company)
            return company, True
        has_changed = False
        for name in COLUMNS:
            value = values[name]
            if value is None or value == company[name] or self._is_taken(name, value, company):
                continue
            if name in ("name", "name_key") and company.get("is_named_by_hand"):
                continue
            company[name], has_changed = value, True
        if has_changed and "id" in company:
            self._changed[company["id"]] = company
        self._remember(company)
        return company, has_changed

    @property
    def has_changed(self) -> bool:
        """Whether one that was known is to be written."""
        return bool(self._changed)

    def write(self) -> None:
        """Write what is new; a company that somebody else made meanwhile is found again."""
        if self._fresh:
            for company, company_id in zip(self._fresh, insert_companies(self._fresh), strict=True):
                company["id"] = company_id
        if self._changed:
            update_companies(list(self._changed.values()))

    def _find(self, values: dict[str, Any], company_id: int | None) -> dict[str, Any] | None:
        for kind in ("cnpj", "domain"):
            if values[kind] is not None and (kind, values[kind]) in self._by:
                return self._by[kind, values[kind]]
        named = self._by.get(("name_key", values["name_key"])) if values["name_key"] else None
        if named is not None and agrees(named, values):
            return named
        mine = self._by_id.get(company_id or 0)
        is_about_mine = (
            mine is not None
            and agrees(mine, values)
            and values["name_key"] in (None, mine["name_key"], *mine.get("former_names", ()))
        )
        return mine if is_about_mine else None

    def _is_taken(self, name: str, value: Any, company: dict[str, Any]) -> bool:
        """Whether another company has this CNPJ or domain; then it stays theirs."""
        return name in ("cnpj", "domain") and self._by.get((name, value), company) is not company

    def _remember(self, company: dict[str, Any]) -> None:
        for kind in IDENTITY:
            if company[kind] is not None:
                self._by.setdefault((kind, company[kind]), company)
        if "id" in company:
            self._by_id[company["id"]] = company


def agrees(company: dict[str, Any], values: dict[str, Any]) -> bool:
    """Whether nothing that identifies a company speaks against these values being about it."""
    return all(
        values[kind] is None or company[kind] is None or values[kind] == company[kind]
        for kind in ("cnpj", "domain")
    )


def find_companies(
    wanted: Sequence[dict[str, Any]], ids: Sequence[int], *, is_locking: bool = True
) -> list[dict[str, Any]]:
    """Companies with one of the wanted CNPJs, domains or names, or one of the ids; the oldest first."""
    keys = {kind: as_json(_distinct(row[kind] for row in wanted)) for kind in IDENTITY}
    rows = (_FIND_AND_LOCK if is_locking else _FIND).rows(ids=as_json(ids), **keys)
    return [dict(zip(_FOUND, row, strict=True)) for row in rows]


_FOUND: Final = ("id", *COLUMNS, "is_named_by_hand", "former_names")
_FIND_SQL: Final = f"""
WITH wanted AS MATERIALIZED (
    SELECT jsonb_array_elements_text(%(ids)s::jsonb)::bigint AS id
    UNION SELECT found.id FROM jsonb_array_elements_text(%(cnpj)s::jsonb) AS key (value)
    CROSS JOIN LATERAL (SELECT id FROM leads_company WHERE cnpj = key.value LIMIT 1) found
    UNION SELECT found.id FROM jsonb_array_elements_text(%(domain)s::jsonb) AS key (value)
    CROSS JOIN LATERAL (SELECT id FROM leads_company WHERE domain = key.value LIMIT 1) found
    UNION SELECT found.id FROM jsonb_array_elements_text(%(name_key)s::jsonb) AS key (value)
    CROSS JOIN LATERAL (SELECT id FROM leads_company WHERE name_key = key.value OFFSET 0) found
    UNION SELECT found.company_id FROM jsonb_array_elements_text(%(name_key)s::jsonb) AS key (value)
    CROSS JOIN LATERAL (
        SELECT company_id FROM leads_companyformername WHERE name_key = key.value OFFSET 0
    ) found
)
SELECT locked.* FROM (SELECT id FROM wanted ORDER BY id) ordered
CROSS JOIN LATERAL (
    SELECT id, {", ".join(COLUMNS)}, is_named_by_hand,
        ARRAY(SELECT former.name_key FROM leads_companyformername former WHERE former.company_id = ordered.id)
    FROM leads_company WHERE id = ordered.id {{lock}}
) locked
"""  # noqa: S608 - only the constant column names above
_FIND: Final = Statement.text(_FIND_SQL.format(lock="OFFSET 0"))
_FIND_AND_LOCK: Final = Statement.text(_FIND_SQL.format(lock="FOR NO KEY UPDATE"))


def _distinct(values: Iterable[str | None]) -> list[str]:
    return [value for value in dict.fromkeys(values) if value is not None]


def insert_companies(rows: Sequence[dict[str, Any]]) -> list[int]:
    """Make companies; where somebody else was first the existing one's id is returned."""
    given = [{name: row[name] for name in COLUMNS} | {"place": place} for place, row in enumerate(rows)]
    ids: dict[int, int] = dict(_INSERT.rows(tenant=require_tenant_id(), rows=as_json(given)))
    missing = [place for place in range(len(rows)) if place not in ids]
    if missing:
        index = CompanyIndex(wanted=[given[place] for place in missing])
        for place in missing:
            ids[place] = index.take(given[place])[0]["id"]
    return [ids[place] for place in range(len(rows))]


_INSERT: Final = Statement.text(f"""
WITH given AS MATERIALIZED (
    SELECT nextval('leads_company_id_seq') AS id, given.*
    FROM json_to_recordset(%(rows)s::json) AS given (place int, {_TYPED})
), inserted AS (
    INSERT INTO leads_company (id, tenant_id, created_at, {", ".join(COLUMNS)})
    SELECT id, %(tenant)s::bigint, now(), {", ".join(COLUMNS)} FROM given
    ON CONFLICT DO NOTHING
    RETURNING id
)
SELECT given.place, given.id FROM given JOIN inserted USING (id)
""")  # noqa: S608 - only the constant column names above


def update_companies(rows: Sequence[dict[str, Any]]) -> None:
    """Write companies as merged; leads of one that is called otherwise now are found by the new words."""
    renamed = [company_id for company_id, is_renamed in _UPDATE.rows(rows=as_json(rows)) if is_renamed]
    if renamed:
        refresh_search_of_companies(company_ids=renamed)


_UPDATE: Final = Statement.text(f"""
UPDATE leads_company company SET {", ".join(f"{name} = given.{name}" for name in COLUMNS)}
FROM json_to_recordset(%(rows)s::json) AS given (id bigint, {_TYPED})
WHERE company.id = given.id
RETURNING new.id, (old.name_key, old.domain) IS DISTINCT FROM (new.name_key, new.domain)
""")  # noqa: S608 - only the constant column names above


def attach(company_of_lead: dict[int, int]) -> None:
    """Set the company of leads."""
    if not company_of_lead:
        return
    _ATTACH.execute(lead_ids=list(company_of_lead), company_ids=list(company_of_lead.values()))


_ATTACH: Final = Statement.text("""
UPDATE leads_lead lead SET company_id = given.company_id
FROM unnest(%(lead_ids)s::bigint[], %(company_ids)s::bigint[]) AS given (lead_id, company_id)
WHERE lead.id = given.lead_id AND lead.id = ANY (%(lead_ids)s::bigint[])
""")

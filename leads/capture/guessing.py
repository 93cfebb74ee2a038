"""Which column fills which field, guessed from its name and its values: an offer to whoever assigns the columns."""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Final

from leads.capture.column_names import (
    DATED_NAMES,
    DEAL_NAMES,
    EVENT_NAMES,
    EVENT_TYPE_WORDS,
    LOST_PARTS,
    OPEN_WORDS,
    WON_PARTS,
)
from leads.capture.columns import CUSTOM, make_field_name
from leads.capture.detection import DetectedColumn
from leads.capture.values import fold_text
from leads.models import ImportRun, Stage

# Names that columns of exports and spreadsheets have, folded, in English and Portuguese; the likeliest of a field first.
_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "external_id": (
        *(
            "external id",
            "externalid",
            "id externo",
            "prospect id",
            "lead id",
            "leadid",
            "contact id",
            "record id",
        ),
        *(
            "id do lead",
            "id do contato",
            "identificador",
            "codigo",
            "codigo do lead",
            "id lead",
            "id",
            "mql id",
            "lead number",
        ),
    ),
    "email": (
        *(
            "email",
            "e mail",
            "email address",
            "e mail address",
            "endereco de email",
            "endereco de e mail",
            "mail",
        ),
        *(
            "email do lead",
            "e mail do lead",
            "email corporativo",
            "work email",
            "email 1",
            "primary email",
            "correio eletronico",
        ),
    ),
    "first_name": ("first name", "firstname", "given name", "primeiro nome", "prenome"),
    "last_name": ("last name", "lastname", "surname", "family name", "sobrenome", "ultimo nome"),
    "name": (
        *("name", "full name", "fullname", "nome", "nome completo", "contact", "contact name", "contato"),
        *("nome do contato", "lead name", "nome do lead", "lead"),
    ),
    "phone": (
        *(
            "phone",
            "phone number",
            "telephone",
            "mobile",
            "mobile phone",
            "cell",
            "cell phone",
            "whatsapp",
            "celular",
        ),
        *("telefone", "telefone celular", "fone", "tel", "numero de telefone", "telefone 1"),
    ),
    "job_title": ("job title", "title", "jobtitle", "position", "role", "cargo", "funcao", "cargo do lead"),
    "seniority": ("seniority", "senioridade", "nivel", "nivel hierarquico"),
    "company": (
        *(
            "company",
            "company name",
            "account",
            "account name",
            "organization",
            "organisation",
            "organizacao",
        ),
        *("empresa", "nome da empresa", "razao social", "nome fantasia", "employer"),
    ),
    "company_domain": (
        "company domain",
        "domain",
        "website",
        "site",
        "company website",
        "dominio",
        "web site",
        "url da empresa",
    ),
    "company_size": (
        *(
            "company size",
            "employees",
            "number of employees",
            "num employees",
            "funcionarios",
            "numero de funcionarios",
        ),
        *(
            "n de funcionarios",
            "no de funcionarios",
            "qtd funcionarios",
            "colaboradores",
            "tamanho da empresa",
            "porte",
        ),
    ),
    "company_revenue": (
        "company revenue",
        "revenue",
        "annual revenue",
        "faturamento",
        "faturamento anual",
        "receita",
        "receita anual",
    ),
    "industry": (
        "industry",
        "sector",
        "segmento",
        "setor",
        "ramo",
        "ramo de atividade",
        "industria",
        "business segment",
    ),
    "cnpj": ("cnpj", "cnpj da empresa"),
    "country": ("country", "country region", "pais"),
    "state": ("state", "state region", "region", "province", "estado", "uf", "provincia"),
    "city": ("city", "town", "cidade", "municipio"),
    "postal_code": ("postal code", "zip", "zip code", "zipcode", "postcode", "cep", "codigo postal"),
    "language": ("language", "preferred language", "idioma", "lingua"),
    "time_zone": ("time zone", "timezone", "fuso horario", "fuso"),
    "origin": (
        *(
            "origin",
            "lead source",
            "leadsource",
            "source",
            "original source",
            "utm source",
            "origem",
            "origem do lead",
        ),
        *("fonte", "canal", "canal de origem", "first conversion source"),
    ),
    "campaign": ("campaign", "utm campaign", "campaign name", "campanha", "nome da campanha"),
    "medium": ("medium", "utm medium", "midia", "meio"),
    "landing_page": (
        "landing page",
        "landing page id",
        "page",
        "pagina",
        "pagina de destino",
        "first page seen",
        "url",
    ),
    "stage": (
        "stage",
        "lead stage",
        "lifecycle stage",
        "status",
        "lead status",
        "etapa",
        "estagio",
        "fase",
        "situacao",
    ),
    "tags": ("tags", "tag", "labels", "etiquetas", "marcadores"),
    "owner_sdr": ("sdr", "owner sdr", "sdr owner", "pre vendas", "pre vendedor", "sdr responsavel"),
    "owner_sales": (
        *(
            "sales rep",
            "sales owner",
            "owner",
            "contact owner",
            "lead owner",
            "vendedor",
            "responsavel",
            "dono",
        ),
        *("proprietario", "account executive", "closer", "responsavel comercial"),
    ),
    "consent": ("consent", "consentimento", "opt in", "lgpd"),
    "created_at": (
        *(
            "created at",
            "created",
            "create date",
            "created date",
            "creation date",
            "date created",
            "date",
            "first contact",
        ),
        *(
            "first contact date",
            "criado em",
            "data de criacao",
            "data de cadastro",
            "data",
            "data da conversao",
            "primeira conversao",
        ),
    ),
}
_STAGE_WORDS: Final[Mapping[str, Stage]] = {
    "new": Stage.NEW,
    "novo": Stage.NEW,
    "lead": Stage.NEW,
    "subscriber": Stage.NEW,
    "aberto": Stage.NEW,
    "open": Stage.NEW,
    "mql": Stage.MARKETING_QUALIFIED,
    "marketing qualified lead": Stage.MARKETING_QUALIFIED,
    "lead qualificado": Stage.MARKETING_QUALIFIED,
    "working": Stage.WORKING,
    "em contato": Stage.WORKING,
    "em andamento": Stage.WORKING,
    "contacted": Stage.WORKING,
    "contatado": Stage.WORKING,
    "sal": Stage.WORKING,
    "sql": Stage.SALES_QUALIFIED,
    "sales qualified lead": Stage.SALES_QUALIFIED,
    "opportunity": Stage.OPPORTUNITY,
    "oportunidade": Stage.OPPORTUNITY,
    "negociacao": Stage.OPPORTUNITY,
    "customer": Stage.CUSTOMER,
    "cliente": Stage.CUSTOMER,
    "won": Stage.CUSTOMER,
    "closed won": Stage.CUSTOMER,
    "ganho": Stage.CUSTOMER,
    "vendido": Stage.CUSTOMER,
    "nurture": Stage.NURTURE,
    "nurturing": Stage.NURTURE,
    "nutricao": Stage.NURTURE,
    "lost": Stage.NURTURE,
    "closed lost": Stage.NURTURE,
    "perdido": Stage.NURTURE,
    "disqualified": Stage.DISQUALIFIED,
    "unqualified": Stage.DISQUALIFIED,
    "descartado": Stage.DISQUALIFIED,
    "desqualificado": Stage.DISQUALIFIED,
}
_OUTCOME_WORDS: Final[Mapping[str, str]] = {
    **dict.fromkeys(
        ("won", "closed won", "ganho", "ganha", "vendido", "fechado", "fechado ganho", "sim", "yes", "1"),
        "won",
    ),
    **dict.fromkeys(
        ("lost", "closed lost", "perdido", "perdida", "nao", "no", "0", "fechado perdido"), "lost"
    ),
}
_MOST: Final = 0.8


def guess_subject(columns: Sequence[DetectedColumn]) -> ImportRun.Subject:
    """What a file seems to tell of: events, if columns say what happened and when; deals, if they say which deal and how it
    stands or what it is worth; else leads."""
    names = {_fold(column.name) for column in columns}
    dated = {_fold(column.name) for column in columns if column.type == "date" or column.date_formats}
    # A date and a type are in many files; what else stands there has to be little.
    says_what = not names.isdisjoint(_sure(EVENT_NAMES["type"], unsure={"type", "tipo", "action", "acao"}))
    if says_what and not dated.isdisjoint(EVENT_NAMES["occurred_at"]):
        return ImportRun.Subject.EVENTS
    is_deal = not names.isdisjoint(
        _sure(DEAL_NAMES["deal_id"], unsure={"id", "record id", "codigo", "identificador"})
    )
    signs = {
        name
        for name in ("outcome", "amount", "reason", "closed_at", "won_at", "lost_at", "expected_close_on")
        if not names.isdisjoint(_sure(DEAL_NAMES[name], unsure=_IN_LEADS))
    }
    return ImportRun.Subject.OUTCOMES if len(signs) + is_deal >= 2 else ImportRun.Subject.LEADS


# Columns of files of leads, too.
_IN_LEADS: Final = frozenset(
    (
        "status",
        "stage",
        "situacao",
        "estado",
        "etapa",
        "motivo",
        "reason",
        "receita",
        "value",
        "valor",
        "result",
    )
)


def _sure(names: Sequence[str], *, unsure: Collection[str]) -> set[str]:
    return set(names).difference(unsure)


def guess_fields(
    *,
    columns: Sequence[DetectedColumn],
    fields: Collection[str],
    custom: Mapping[str, str],
    subject: str = ImportRun.Subject.LEADS,
) -> dict[str, str]:
    """By column, the field that it seems to fill: one of ``fields`` or of the own fields, ``custom``, labels by name.

    What the values show comes before what a name promises: nothing is an e-mail address that holds none.
    """
    guesses = _Guesses(fields)
    folded = {column.name: _fold(column.name) for column in columns}
    _guess_by_names(guesses, columns, folded, _NAMES_OF[subject])
    for column in columns:
        if column.emails >= _MOST:
            guesses.take(column, "email")
        if column.cnpjs >= _MOST:
            guesses.take(column, "cnpj")
    if subject == ImportRun.Subject.LEADS:
        _guess_dates(guesses, columns, folded)
    guesses.free |= {CUSTOM + name for name in custom}
    own = {_fold(label): name for name, label in custom.items()} | {name: name for name in custom}
    for column in columns:
        named = own.get(folded[column.name]) or own.get(make_field_name(column.name.removeprefix(CUSTOM)))
        guesses.take(column, f"{CUSTOM}{named}")
    return guesses.by_column


_NAMES_OF: Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = {
    ImportRun.Subject.LEADS: _NAMES,
    ImportRun.Subject.OUTCOMES: DEAL_NAMES,
    ImportRun.Subject.EVENTS: EVENT_NAMES,
}


def _guess_by_names(
    guesses: "_Guesses",
    columns: Sequence[DetectedColumn],
    folded: Mapping[str, str],
    names_of: Mapping[str, tuple[str, ...]],
) -> None:
    for column in columns:
        guesses.take(column, column.name)
    for field_name, names in names_of.items():
        for name in names:
            for column in columns:
                if folded[column.name] == name and _can_be(column, field_name):
                    guesses.take(column, field_name)


def _guess_dates(guesses: "_Guesses", columns: Sequence[DetectedColumn], folded: Mapping[str, str]) -> None:
    """Dates at which something happened; several columns may tell of the same."""
    for field_name, names in DATED_NAMES.items():
        for column in columns:
            if folded[column.name] in names and (column.type == "date" or column.date_formats):
                guesses.by_column.setdefault(column.name, field_name)


class _Guesses:
    """Each field is taken once, and each column."""

    def __init__(self, fields: Collection[str]) -> None:
        self.free = set(fields)
        self.by_column: dict[str, str] = {}

    def take(self, column: DetectedColumn, field_name: str) -> None:
        if field_name in self.free and column.name not in self.by_column:
            self.by_column[column.name] = field_name
            self.free.discard(field_name)


def guess_word(*, field_name: str, word: str) -> str:
    """What a word of the file seems to mean as a stage, an outcome or a type of event; empty if nobody knows."""
    folded = _fold(word)
    if field_name == "stage":
        return _STAGE_WORDS.get(folded, "")
    if field_name == "type":
        return EVENT_TYPE_WORDS.get(folded, "")
    return _guess_outcome(folded) if field_name == "outcome" else ""


def _guess_outcome(folded: str) -> str:
    if folded in _OUTCOME_WORDS:
        return _OUTCOME_WORDS[folded]
    if any(part in folded for part in LOST_PARTS):
        return "lost"
    if any(part in folded.split() or folded.startswith(part) for part in WON_PARTS):
        return "won"
    return "open" if folded in OPEN_WORDS else ""


_DATES: Final = frozenset(
    ("created_at", "won_at", "lost_at", "opened_at", "closed_at", "expected_close_on", "occurred_at")
)


def _can_be(column: DetectedColumn, field_name: str) -> bool:
    """Whether the values don't speak against the name."""
    if not column.filled:
        return True
    is_date = column.type == "date" or bool(column.date_formats)
    if field_name in _DATES:
        return is_date
    says = {
        "email": column.emails > 0,
        "cnpj": column.cnpjs > 0,
        "stage": column.words is not None,
        "outcome": column.words is not None,
        "amount": not is_date and any(each[-1:].isdigit() for each in column.samples),
    }
    return says.get(field_name, True)


def _fold(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", " ", fold_text(text)).strip()

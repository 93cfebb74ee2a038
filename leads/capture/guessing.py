"""Which column fills which field, guessed from its name and its values: an offer to whoever assigns the columns."""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Final

from leads.capture.columns import CUSTOM, make_field_name
from leads.capture.detection import DetectedColumn
from leads.capture.values import fold_text
from leads.models import Stage

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
    "deal_id": ("deal id", "opportunity id", "id do negocio", "negocio", "deal", "id da oportunidade"),
    "outcome": ("outcome", "result", "deal stage", "status", "resultado", "situacao", "desfecho"),
    "won_at": (
        "won at",
        "won date",
        "close date",
        "closed date",
        "closed at",
        "data de fechamento",
        "ganho em",
        "data do ganho",
        "close value date",
    ),
    "lost_at": ("lost at", "lost date", "perdido em", "data da perda"),
    "sdr": ("sdr", "sdr id", "pre vendas", "pre vendedor"),
    "sales_rep": ("sales rep", "sr id", "owner", "rep", "sales agent", "vendedor", "closer", "responsavel"),
    "amount": (
        "amount",
        "value",
        "deal value",
        "deal amount",
        "close value",
        "valor",
        "valor do negocio",
        "valor total",
        "receita",
    ),
    "currency": ("currency", "moeda"),
    "reason": (
        "reason",
        "lost reason",
        "loss reason",
        "closed lost reason",
        "motivo",
        "motivo da perda",
        "motivo de perda",
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


def guess_fields(
    *, columns: Sequence[DetectedColumn], fields: Collection[str], custom: Mapping[str, str]
) -> dict[str, str]:
    """By column, the field that it seems to fill: one of ``fields`` or of the own fields, ``custom``, labels by name.

    What the values show comes before what a name promises: nothing is an e-mail address that holds none.
    """
    guesses = _Guesses(fields)
    folded = {column.name: _fold(column.name) for column in columns}
    for column in columns:
        guesses.take(column, column.name)
    for field_name, names in _NAMES.items():
        for name in names:
            for column in columns:
                if folded[column.name] == name and _can_be(column, field_name):
                    guesses.take(column, field_name)
    for column in columns:
        if column.emails >= _MOST:
            guesses.take(column, "email")
        if column.cnpjs >= _MOST:
            guesses.take(column, "cnpj")
    guesses.free |= {CUSTOM + name for name in custom}
    own = {_fold(label): name for name, label in custom.items()} | {name: name for name in custom}
    for column in columns:
        named = own.get(folded[column.name]) or own.get(make_field_name(column.name.removeprefix(CUSTOM)))
        guesses.take(column, f"{CUSTOM}{named}")
    return guesses.by_column


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
    """What a word of the file seems to mean as a stage or an outcome; empty if nobody knows."""
    folded = _fold(word)
    if field_name == "stage":
        return _STAGE_WORDS.get(folded, "")
    return _OUTCOME_WORDS.get(folded, "") if field_name == "outcome" else ""


def _can_be(column: DetectedColumn, field_name: str) -> bool:
    """Whether the values don't speak against the name."""
    if not column.filled:
        return True
    if field_name == "email":
        return column.emails > 0
    if field_name == "cnpj":
        return column.cnpjs > 0
    if field_name in {"created_at", "won_at", "lost_at"}:
        return column.type == "date" or bool(column.date_formats)
    if field_name in {"stage", "outcome"}:
        return column.words is not None
    return True


def _fold(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", " ", fold_text(text)).strip()

"""Names that columns of files of deals and of events have, folded, in English and Portuguese: those that HubSpot, Salesforce,
Pipedrive, RD Station and spreadsheets write. The likeliest of a field first."""

from collections.abc import Mapping
from typing import Final

_EMAIL: Final = (
    *("email", "e mail", "contact email", "lead email", "person email", "email address", "email do contato"),
    *(
        "e mail do contato",
        "email do lead",
        "e mail do lead",
        "pessoa e mail",
        "pessoa email",
        "contact e mail",
    ),
    *("recipient", "recipient email", "associated contact email"),
)
_PHONE: Final = (
    *("phone", "contact phone", "phone number", "person phone", "mobile", "telefone", "celular", "whatsapp"),
    *("telefone do contato", "pessoa telefone"),
)
_LEAD_NAME: Final = (
    *("contact name", "lead name", "person name", "deal contact person", "contact", "contact person"),
    *(
        "associated contact",
        "nome do contato",
        "contato",
        "pessoa",
        "pessoa nome",
        "nome do lead",
        "contatos",
    ),
    *("negocio pessoa de contato", "full name"),
)
_CONTACT_ID: Final = (
    *("external id", "contact id", "lead id", "person id", "associated contact ids", "associated contact id"),
    *(
        "contactid",
        "leadid",
        "prospect id",
        "mql id",
        "id do contato",
        "id do lead",
        "id da pessoa",
        "pessoa id",
    ),
    *("contact record id", "whoid", "who id"),
)

DEAL_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "deal_id": (
        *(
            "deal id",
            "dealid",
            "opportunity id",
            "opportunityid",
            "opportunity id 18",
            "record id",
            "negocio id",
        ),
        *("id do negocio", "id da negociacao", "id da oportunidade", "deal record id", "identificador", "id"),
        *("codigo", "negocio", "deal"),
    ),
    "external_id": _CONTACT_ID,
    "email": _EMAIL,
    "phone": _PHONE,
    "lead_name": _LEAD_NAME,
    "outcome": (
        *(
            "outcome",
            "deal status",
            "result",
            "deal stage",
            "dealstage",
            "stagename",
            "status",
            "opportunity stage",
        ),
        *(
            "stage",
            "resultado",
            "situacao",
            "estado",
            "desfecho",
            "negocio status",
            "status do negocio",
            "etapa",
        ),
    ),
    "opened_at": (
        *(
            "opened at",
            "deal deal created",
            "deal created",
            "create date",
            "created date",
            "createddate",
            "open date",
        ),
        *(
            "engage date",
            "created at",
            "add time",
            "negocio negocio criado em",
            "negocio criado em",
            "criado em",
        ),
        *("data de criacao", "data de abertura", "data de criacao do negocio", "date created"),
    ),
    "won_at": (
        *("won at", "won time", "deal won time", "won date", "date won", "data do ganho", "ganho em"),
        *("horario de ganho", "negocio horario de ganho", "negocio ganho em"),
    ),
    "lost_at": (
        *("lost at", "lost time", "deal lost time", "lost date", "date lost", "perdido em", "data da perda"),
        *("horario da perda", "negocio horario de perda", "negocio perdido em"),
    ),
    "closed_at": (
        *(
            "close date",
            "closed date",
            "closed at",
            "closedate",
            "close time",
            "deal deal closed on",
            "closed on",
        ),
        *("data de fechamento", "data do fechamento", "fechado em", "negocio negocio fechado em"),
        *("data de encerramento", "close value date"),
    ),
    "expected_close_on": (
        *("expected close on", "expected close date", "deal expected close date", "expected close"),
        *("previsao de fechamento", "data prevista de fechamento", "data de fechamento esperada"),
        *("negocio data de fechamento esperada", "data de previsao de fechamento"),
    ),
    "sdr": ("sdr", "sdr id", "pre vendas", "pre vendedor", "deal sdr", "sdr responsavel"),
    "sales_rep": (
        *(
            "sales rep",
            "deal owner",
            "opportunity owner",
            "owner",
            "owner name",
            "sales agent",
            "sr id",
            "rep",
        ),
        *(
            "vendedor",
            "responsavel",
            "closer",
            "proprietario do negocio",
            "negocio proprietario",
            "proprietario",
        ),
        *("account executive", "dono"),
    ),
    "amount": (
        *("amount", "deal value", "deal amount", "value", "close value", "opportunity amount", "valor"),
        *(
            "valor do negocio",
            "negocio valor",
            "valor total",
            "valor unico",
            "receita",
            "amount in company currency",
        ),
    ),
    "currency": (
        *("currency", "deal currency", "deal currency of value", "currencyisocode", "currency code", "moeda"),
        *("negocio moeda", "negocio moeda de valor", "opportunity currency"),
    ),
    "reason": (
        *(
            "reason",
            "lost reason",
            "loss reason",
            "deal lost reason",
            "closed lost reason",
            "motivo da perda",
        ),
        *("motivo de perda", "motivo", "negocio motivo da perda", "close reason"),
    ),
}
EVENT_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "type": (
        *("type", "event type", "eventtype", "event", "event name", "activity type", "activity", "action"),
        *("tipo", "tipo de evento", "evento", "nome do evento", "atividade", "tipo de atividade", "acao"),
        *("engagement type", "conversion type", "tipo de conversao", "interacao", "tipo de interacao"),
    ),
    "occurred_at": (
        *("occurred at", "occurredat", "event date", "event time", "event timestamp", "timestamp", "time"),
        *(
            "activity date",
            "date time",
            "datetime",
            "date",
            "created at",
            "created",
            "create date",
            "happened at",
        ),
        *("conversion date", "data do evento", "data e hora", "data hora", "ocorreu em", "data", "criado em"),
        *("data da atividade", "data da conversao", "data de criacao", "horario", "when", "quando"),
    ),
    "message_id": (
        *("message id", "messageid", "event id", "eventid", "activity id", "record id", "id do evento"),
        *("uuid", "id da atividade", "id da conversao", "id"),
    ),
    "external_id": _CONTACT_ID,
    "email": _EMAIL,
    "phone": _PHONE,
    "lead_name": (*_LEAD_NAME, "name", "nome"),
    "properties": ("properties", "propriedades", "payload", "event properties", "attributes", "metadata"),
}
# Dates in a row of a lead that tell of something that happened.
DATED_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "event.form_submitted": (
        *("first conversion date", "recent conversion date", "last conversion date", "first form date"),
        *(
            "first form submission date",
            "last form submission date",
            "form date",
            "data da primeira conversao",
        ),
        *(
            "data da ultima conversao",
            "ultima conversao",
            "data do primeiro formulario",
            "data do formulario",
        ),
    ),
    "event.email_opened": (
        *(
            "last marketing email open date",
            "last email open date",
            "last opened",
            "first marketing email open date",
        ),
        *("data da ultima abertura", "ultima abertura de email", "ultimo email aberto"),
    ),
    "event.email_clicked": (
        *("last marketing email click date", "last email click date", "first marketing email click date"),
        *("data do ultimo clique", "ultimo clique em email"),
    ),
    "event.page_viewed": (
        *("time first seen", "time last seen", "last page seen date", "first visit date", "last visit date"),
        *("data da primeira visita", "data da ultima visita", "ultima visita"),
    ),
    "event.webinar_attended": ("webinar date", "last webinar date", "data do webinar"),
    "event.content_downloaded": ("download date", "last download date", "data do download"),
}
# By folded word, the type of event that it means.
EVENT_TYPE_WORDS: Final[Mapping[str, str]] = {
    **dict.fromkeys(
        (
            *("form submission", "form submitted", "form", "form fill", "conversion", "submitted form"),
            *("formulario", "formulario enviado", "envio de formulario", "conversao", "preencheu formulario"),
        ),
        "form_submitted",
    ),
    **dict.fromkeys(
        (
            "page view",
            "pageview",
            "page viewed",
            "visit",
            "web visit",
            "visita",
            "visualizacao de pagina",
            "pagina vista",
        ),
        "page_viewed",
    ),
    **dict.fromkeys(
        (
            *("email open", "email opened", "open", "opened", "opened email", "email open event"),
            *("abertura", "email aberto", "e mail aberto", "abertura de email", "abriu email"),
        ),
        "email_opened",
    ),
    **dict.fromkeys(
        (
            *("email click", "email clicked", "click", "clicked", "clicked email", "email link clicked"),
            *("clique", "clique em email", "email clicado", "e mail clicado", "clicou"),
        ),
        "email_clicked",
    ),
    **dict.fromkeys(
        ("download", "content download", "ebook download", "material baixado", "baixou material"),
        "content_downloaded",
    ),
    **dict.fromkeys(
        ("webinar", "attended webinar", "webinar attended", "webinar attendance", "participou do webinar"),
        "webinar_attended",
    ),
    **dict.fromkeys(
        ("unsubscribe", "unsubscribed", "opt out", "descadastro", "descadastrado", "cancelou inscricao"),
        "unsubscribed",
    ),
    **dict.fromkeys(("pricing page", "pricing viewed", "pagina de precos"), "pricing_viewed"),
}
OPEN_WORDS: Final = frozenset(
    (
        *(
            "open",
            "aberto",
            "aberta",
            "em aberto",
            "em andamento",
            "em negociacao",
            "negociacao",
            "in progress",
        ),
        *("engaging", "prospecting", "prospeccao", "qualification", "qualificacao", "proposal", "proposta"),
        *(
            "negotiation",
            "appointment scheduled",
            "qualified to buy",
            "presentation scheduled",
            "contract sent",
        ),
        *("decision maker bought in", "perception analysis", "id decision makers", "value proposition"),
        *("needs analysis", "proposal price quote", "negotiation review", "pausada", "pausado"),
    )
)
# Parts of words that say how a deal ended.
LOST_PARTS: Final = ("lost", "perdid", "abandon", "cancel", "desist", "deleted", "excluid")
WON_PARTS: Final = ("won", "ganh", "vendid", "fechado ganho", "conquistad")

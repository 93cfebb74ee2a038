"""What stands in the benchmarks' tenants: as the pipeline would have left it, made on the server in statements of many rows.

Leads, companies, events and standings are drawn from hashes of their numbers, so every build gives the same; scores and grades
come from the pipeline's own steps, and with them the decisions and due rows. Ages are drawn so that few scores change within a
month: the data stay in step while they are reused.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

LEADS_A_COMPANY: Final = 20
CHUNK: Final = 20_000
# Clocks that start now and are due in a year: none of them falls due while the data are reused.
CLOCK_MINUTES: Final = 365 * 24 * 60

FIRST_NAMES: Final = (
    "Maria José Ana João Antônio Francisco Carlos Paulo Pedro Lucas Luiz Marcos Luís Gabriel Rafael Daniel Marcelo Bruno "
    "Eduardo Felipe Raimundo Rodrigo Francisca Antônia Adriana Juliana Márcia Fernanda Patrícia Aline Sandra Camila Amanda "
    "Bruna Jéssica Letícia Júlia Luciana Vanessa Mariana Gabriela Vera Vitória Larissa Cláudia Beatriz Rita Luana Sônia "
    "Renata Eliane Josefa Simone Natália Cristiane Carla Débora Rosângela Jaqueline Rosa Daniela Aparecida Marlene Terezinha "
    "Raimunda Andreia Fabiana Lúcia Raquel Ângela Rafaela Joana Luzia Elaine Ricardo Fernando Fábio Gustavo Manoel Leandro "
    "Tiago Alexandre Vinícius Sérgio Anderson Diego Matheus Jorge Roberto Leonardo Geraldo Edson Guilherme Márcio Sebastião "
    "André Mário Cauã Mateus Cícero Ítalo Otávio Caetano Breno Davi Enzo Heitor Murilo Nilton Osvaldo Quitéria Ubirajara "
    "Wagner Xavier Yasmin Zélia Zuleica Evandro Inês Ivone Jandira Kátia Lorena Nair Odete Olívia Priscila Quésia Regina"
)
LAST_NAMES: Final = (
    "Silva Santos Oliveira Souza Rodrigues Ferreira Alves Pereira Lima Gomes Costa Ribeiro Martins Carvalho Almeida Lopes "
    "Soares Fernandes Vieira Barbosa Rocha Dias Nascimento Andrade Moreira Nunes Marques Machado Mendes Freitas Cardoso Ramos "
    "Gonçalves Santana Teixeira Araújo Melo Cavalcanti Monteiro Moura Correia Cunha Pinto Campos Reis Azevedo Duarte Batista "
    "Barros Borges Castro Farias Figueiredo Fonseca Guimarães Leal Macedo Magalhães Medeiros Miranda Morais Moraes Nogueira "
    "Pacheco Peixoto Pires Queiroz Rangel Rezende Sales Sampaio Siqueira Tavares Toledo Vasconcelos Xavier Aguiar Amaral "
    "Antunes Assis Bezerra Bittencourt Brandão Brito Caldeira Camargo Chaves Coelho Dantas Domingues Esteves Falcão Franco "
    "Furtado Garcia Henriques Jardim Lacerda Leite Maciel Maia Matos Menezes Meireles Neves Paiva Pimentel Porto Prado Quintana "
    "Sá Serra Simões Tenório Trindade Uchôa Valente Veloso Viana Vilela Zanetti Zimmermann Abrantes Bandeira Calado Drummond"
)
COMPANY_WORDS: Final = (
    "Horizonte Atlântica Aurora Central Paulista Mineira Gaúcha Nordeste Serrana Planalto Litoral Cristal Diamante Esmeralda "
    "Ipê Jatobá Araucária Cerrado Pantanal Amazônia Tropical Moderna União Aliança Progresso Vitória Primavera Estrela Sol Norte"
)
COMPANY_KINDS: Final = (
    "Alimentos Logística Têxtil Metalúrgica Software Consultoria Engenharia Farmacêutica Transportes Móveis Plásticos Papéis "
    "Químicos Energia Saneamento Educação Saúde Seguros Turismo Varejo"
)
ORIGINS: Final = {
    "organic_search": 0.28,
    "paid_search": 0.48,
    "social": 0.63,
    "direct_traffic": 0.75,
    "email": 0.84,
    "referral": 0.91,
    "webinar": 0.95,
    "event": 0.98,
    "display": 0.995,
    "partner": 0.9995,
    "fair_2019": 1.0,
}
# Type, upper end of its share, and its ages in days: where a rule's window ends, either long before it or long after.
EVENT_TYPES: Final = (
    ("page_viewed", 0.45, 15, 400),
    ("email_opened", 0.65, 31, 400),
    ("email_clicked", 0.72, 31, 400),
    ("pricing_viewed", 0.78, 15, 400),
    ("content_downloaded", 0.86, 0, 29),
    ("form_submitted", 0.93, 0, 59),
    ("webinar_attended", 0.96, 0, 29),
    ("chat_started", 0.98, 0, 400),
    ("careers_viewed", 0.995, 91, 400),
    ("unsubscribed", 1.0, 0, 400),
)
# Stage and the upper end of its share; those from mql to nurture run a clock: four leads of five.
STAGES: Final = (
    ("mql", 0.62),
    ("sql", 0.70),
    ("nurture", 0.80),
    ("new", 0.88),
    ("working", 0.94),
    ("opportunity", 0.96),
    ("customer", 0.975),
    ("disqualified", 1.0),
)
OPEN_CLOCK_STAGES: Final = ("mql", "sql", "nurture")


def dice(number: str, salt: int) -> str:
    """SQL for a number from 0 to below 1 that looks drawn and is always the same."""
    return f"((hashint8({number} * 2654435761 + {salt}) & 1048575) / 1048576::float8)"


def one_of(words: str, roll: str) -> str:
    """SQL that takes one of the words, the earlier ones more often, as names are."""
    values = words.split()
    array = ", ".join(f"'{value}'" for value in values)
    return f"(ARRAY[{array}])[1 + floor({len(values)} * {roll} * {roll})::int]"


def by_share(choices: Any, roll: str) -> str:
    """SQL that takes a text by the upper ends of shares."""
    whens = " ".join(f"WHEN {roll} < {end} THEN '{value}'" for value, end in choices)
    return f"(CASE {whens} ELSE '{[value for value, _end in choices][-1]}' END)"


ACCENTED: Final = "'áâãàéêíóôõúüç', 'aaaaeeiooouuc'"
LEAD_ORIGIN: Final = by_share(ORIGINS.items(), dice("n", 3))
TYPE_WHENS: Final = " ".join(f"WHEN roll < {end} THEN '{name}'" for name, end, _low, _high in EVENT_TYPES)
AGE_WHENS: Final = " ".join(
    f"WHEN roll < {end} THEN {low} + {high - low} * age" for _name, end, low, high in EVENT_TYPES
)

COMPANIES: Final = f"""
INSERT INTO leads_company (tenant_id, name, name_key, domain, size, industry, created_at)
SELECT %(tenant)s, name, translate(lower(name), {ACCENTED}), 'empresa' || n || '.com.br',
       (5 * exp(8 * {dice("n", 21)}))::int, lower(kind), %(now)s - interval '1100 days'
FROM (
    SELECT n, kind, word || ' ' || kind || ' ' || n AS name
    FROM (
        SELECT n, {one_of(COMPANY_WORDS, dice("n", 22))} AS word, {one_of(COMPANY_KINDS, dice("n", 23))} AS kind
        FROM generate_series(1, %(companies)s::int) n
    ) drawn
) named
"""
LEADS: Final = f"""
INSERT INTO leads_lead (tenant_id, external_id, email, email_kind, name, name_key, first_name, last_name, phone, job_title,
    seniority, company_id, country, state, city, origin, campaign, medium, created_at, recorded_at)
SELECT %(tenant)s, 'bench-' || n,
    translate(lower(first_name || '.' || last_name), {ACCENTED}) || n ||
        CASE WHEN {dice("n", 4)} < 0.3 THEN '@gmail.com' ELSE '@' || company.domain END,
    CASE WHEN {dice("n", 4)} < 0.3 THEN 'free' ELSE 'business' END,
    first_name || ' ' || last_name, translate(lower(first_name || ' ' || last_name), {ACCENTED}), first_name, last_name,
    '+5519' || 900000000 + (n * 7919::bigint) %% 100000000,
    'Gerente de compras', CASE WHEN {dice("n", 5)} < 0.4 THEN 'manager' WHEN {dice("n", 5)} < 0.8 THEN 'entry' END,
    company.id, CASE WHEN {dice("n", 6)} < 0.9 THEN 'BR' ELSE 'PT' END, 'SP', 'Campinas', {LEAD_ORIGIN},
    'erp-' || n %% 40, 'cpc', drawn.created_at, drawn.created_at
FROM (
    SELECT n, {one_of(FIRST_NAMES, dice("n", 1))} AS first_name, {one_of(LAST_NAMES, dice("n", 2))} AS last_name,
        %(now)s - interval '1 day' - {dice("n", 7)} * interval '1095 days' AS created_at,
        1 + (n * 48271::bigint) %% %(companies)s AS company_number
    FROM generate_series(1, %(leads)s::int) n
    ORDER BY n
) drawn JOIN leads_company company ON company.domain = 'empresa' || company_number || '.com.br'
"""
ORIGIN_ROWS: Final = """
INSERT INTO leads_origin (tenant_id, key, label)
SELECT %(tenant)s, key, initcap(replace(key, '_', ' ')) FROM unnest(%(origins)s::text[]) AS given (key)
"""
# Half of the leads did 4 things, three tenths 10, a fifth 25: ten on the average.
EVENTS: Final = f"""
INSERT INTO leads_event (tenant_id, lead_id, type, occurred_at, received_at, properties)
SELECT %(tenant)s, id, type, at, at, CASE
    WHEN type <> 'form_submitted' THEN '{{"url": "https://www.empresa.com.br/precos"}}'::jsonb
    ELSE jsonb_build_object('kind', (ARRAY['newsletter', 'ebook', 'demo', 'contact'])[1 + floor(4 * kind * kind)::int])
END
FROM (
    SELECT id, CASE {TYPE_WHENS} END AS type, {dice("(id * 31 + k)", 33)} AS kind,
        GREATEST(created_at, %(now)s - (CASE {AGE_WHENS} END) * interval '1 day') AS at
    FROM (
        SELECT lead.id, lead.created_at, k, {dice("(lead.id * 31 + k)", 31)} AS roll,
            {dice("(lead.id * 31 + k)", 32)} AS age
        FROM (
            SELECT id, created_at, {dice("id", 34)} AS drive FROM leads_lead WHERE id BETWEEN %(low)s AND %(high)s
        ) lead, generate_series(1, CASE WHEN drive < 0.5 THEN 4 WHEN drive < 0.8 THEN 10 ELSE 25 END) k
    ) rolled
) drawn
"""
# An SDR has three leads of ten; the others stand in the queue of a team, as a rule that names a team leaves them.
STANDINGS: Final = f"""
INSERT INTO leads_leadstate (tenant_id, lead_id, stage, stage_at, stage_act, stage_reason, furthest_stage, score, grade,
    last_event_at, live_since, owner_sdr_id, team_sdr_id, owner_sales_id, team_sales_id)
SELECT %(tenant)s, id, stage,
    CASE stage WHEN 'new' THEN created_at ELSE GREATEST(created_at, %(now)s - days * interval '1 day') END,
    CASE stage WHEN 'new' THEN 'capture' WHEN 'mql' THEN 'promote' WHEN 'sql' THEN 'hand_over' WHEN 'nurture' THEN 'reject'
        WHEN 'working' THEN 'attempt' WHEN 'opportunity' THEN 'accept' WHEN 'customer' THEN 'win' ELSE 'disqualify' END,
    CASE stage WHEN 'nurture' THEN 'marketing_decides' WHEN 'disqualified' THEN 'no_fit' ELSE '' END,
    array_position(ARRAY['new', 'mql', 'working', 'sql', 'opportunity', 'customer'],
        CASE stage WHEN 'nurture' THEN 'sql' WHEN 'disqualified' THEN 'new' ELSE stage END) - 1,
    0, 2, (SELECT max(occurred_at) FROM leads_event event WHERE event.lead_id = id), created_at,
    CASE WHEN has_sdr THEN (%(sdrs)s::bigint[])[1 + id %% cardinality(%(sdrs)s::bigint[])] END,
    CASE WHEN stage IN ('mql', 'working') AND NOT has_sdr
        THEN (%(sdr_teams)s::bigint[])[1 + id %% cardinality(%(sdr_teams)s::bigint[])] END,
    CASE WHEN has_rep THEN (%(reps)s::bigint[])[1 + id %% cardinality(%(reps)s::bigint[])] END,
    CASE WHEN stage IN ('sql', 'opportunity') AND NOT has_rep
        THEN (%(sales_teams)s::bigint[])[1 + id %% cardinality(%(sales_teams)s::bigint[])] END
FROM (
    SELECT id, created_at, stage, 100 * {dice("id", 43)} AS days,
        stage NOT IN ('new', 'disqualified') AND (stage <> 'mql' OR {dice("id", 42)} < 0.3) AS has_sdr,
        stage IN ('opportunity', 'customer') OR stage = 'sql' AND {dice("id", 42)} < 0.5 AS has_rep
    FROM (
        SELECT id, created_at, {by_share(STAGES, dice("id", 41))} AS stage
        FROM leads_lead WHERE id BETWEEN %(low)s AND %(high)s
    ) staged
) drawn
"""
GATED: Final = """
WITH gated AS (
    SELECT lead_id FROM leads_leadstate
    WHERE lead_id BETWEEN %(low)s AND %(high)s AND stage IN ('new', 'mql', 'nurture') AND score >= 50 AND grade >= 5
), moved AS (
    UPDATE leads_leadstate state SET
        stage = CASE stage WHEN 'new' THEN 'mql' ELSE stage END,
        stage_act = CASE stage WHEN 'nurture' THEN stage_act ELSE 'gate' END,
        furthest_stage = GREATEST(furthest_stage, 1),
        stage_at = CASE stage WHEN 'mql' THEN stage_at ELSE GREATEST(stage_at, last_positive_at) END,
        team_sdr_id = CASE stage WHEN 'new' THEN (%(sdr_teams)s::bigint[])[1] ELSE team_sdr_id END
    FROM gated WHERE state.lead_id = gated.lead_id
)
INSERT INTO leads_decision (tenant_id, lead_id, kind, topic, at, version_id, result, detail)
SELECT %(tenant)s, lead_id, 'gate', 'mql', %(now)s, %(gates)s, 'true', '{"record": [[true, 50], [true, 5]], "moved": true}'
FROM gated
"""
TOLD: Final = """
UPDATE leads_leadstate SET told_stage_at = stage_at, told_owner_id =
    CASE WHEN stage IN ('mql', 'working') THEN owner_sdr_id
        WHEN stage IN ('sql', 'opportunity', 'customer') THEN owner_sales_id END,
    clock_due_at = CASE WHEN stage IN ('mql', 'sql', 'nurture') THEN stage_at + %(minutes)s * interval '1 minute' END
WHERE lead_id BETWEEN %(low)s AND %(high)s
    AND (stage IN ('mql', 'sql', 'nurture') OR owner_sdr_id IS NOT NULL OR owner_sales_id IS NOT NULL)
"""
HISTORY: Final = """
INSERT INTO leads_stagechange (tenant_id, lead_id, from_stage, to_stage, at, seconds_in_from_stage, act, reason, note)
SELECT %(tenant)s, lead.id, move.from_stage, move.to_stage, move.at, move.seconds, move.act, move.reason, ''
FROM leads_lead lead JOIN leads_leadstate state ON state.lead_id = lead.id,
LATERAL (VALUES
    (NULL, 'new', lead.created_at, NULL, 'capture', ''),
    ('new', state.stage, state.stage_at, extract(epoch FROM state.stage_at - lead.created_at)::bigint, state.stage_act,
     state.stage_reason)
) AS move (from_stage, to_stage, at, seconds, act, reason)
WHERE lead.id BETWEEN %(low)s AND %(high)s AND (move.from_stage IS NULL OR state.stage <> 'new')
"""
OFFERS: Final = """
INSERT INTO leads_handover (tenant_id, lead_id, offered_at, override_reason, reason)
SELECT %(tenant)s, lead_id, stage_at, '', '' FROM leads_leadstate
WHERE lead_id BETWEEN %(low)s AND %(high)s AND stage = 'sql'
"""
ATTEMPTS: Final = """
INSERT INTO leads_contactattempt (tenant_id, lead_id, at, actor_id, channel, outcome, note)
SELECT %(tenant)s, lead_id, stage_at, owner_sdr_id, 'call', 'reached', '' FROM leads_leadstate
WHERE lead_id BETWEEN %(low)s AND %(high)s AND stage IN ('working', 'sql', 'opportunity', 'customer')
"""
DEALS: Final = """
INSERT INTO leads_opportunity (tenant_id, lead_id, opened_at, outcome, closed_at, amount_minor, currency, reason, sdr_id,
    sales_rep_id, is_imported, custom)
SELECT %(tenant)s, lead_id, stage_at, CASE stage WHEN 'customer' THEN 'won' ELSE 'open' END,
    CASE stage WHEN 'customer' THEN stage_at END, 100 * (lead_id %% 90000), 'BRL', '', owner_sdr_id, owner_sales_id, false, '{}'
FROM leads_leadstate WHERE lead_id BETWEEN %(low)s AND %(high)s AND stage IN ('opportunity', 'customer')
"""
CLOCKS: Final = """
WITH started AS (
    INSERT INTO routing_clock (tenant_id, lead_id, kind, state, entered_at, started_at, due_at, level, next_share, version_id)
    SELECT %(tenant)s, lead_id,
        CASE stage WHEN 'sql' THEN 'answer_sql' WHEN 'nurture' THEN 'back_to_nurture' ELSE 'first_contact' END,
        'running', stage_at, stage_at, stage_at + %(minutes)s * interval '1 minute', 0, 50, %(clocks)s
    FROM leads_leadstate
    WHERE lead_id BETWEEN %(low)s AND %(high)s AND stage IN ('mql', 'sql', 'nurture')
    RETURNING id, lead_id, kind, started_at, due_at
), planned AS (
    INSERT INTO core_duerow (tenant_id, kind, subject, due_at, attempts, error)
    SELECT %(tenant)s, 'clock.share', id, started_at + (due_at - started_at) / 2, 0, '' FROM started
)
INSERT INTO leads_decision (tenant_id, lead_id, kind, topic, at, version_id, result, detail)
SELECT %(tenant)s, lead_id, 'clock', kind, started_at, %(clocks)s, 'running', jsonb_build_object('clock', id,
    'counted_from', started_at, 'started_at', started_at, 'due_at', due_at)
FROM started
"""
OWNERS: Final = """
INSERT INTO leads_decision (tenant_id, lead_id, kind, topic, at, version_id, result, detail)
SELECT %(tenant)s, state.lead_id, 'owner', 'sdr', state.stage_at, %(routing)s, member.name, jsonb_build_object('how', 'fallback',
    'member', member.id, 'team', NULL, 'rule', NULL, 'pool', NULL, 'turn', NULL, 'waited', '[]'::jsonb, 'former', NULL,
    'cause', NULL, 'rules', '[]'::jsonb)
FROM leads_leadstate state JOIN tenancy_membership member ON member.id = state.owner_sdr_id
WHERE state.lead_id BETWEEN %(low)s AND %(high)s
"""
TAGS: Final = f"""
INSERT INTO leads_leadtag (tenant_id, lead_id, tag)
SELECT %(tenant)s, id, tag FROM leads_lead, (VALUES ('newsletter', 0.2, 51), ('feira', 0.01, 52), ('vip', 0.0003, 53))
    AS given (tag, share, salt)
WHERE id BETWEEN %(low)s AND %(high)s AND {dice("(id * 7 + salt)", 5)} < share
"""
CUSTOM: Final = f"""
INSERT INTO leads_customvalue (tenant_id, lead_id, field_id, integer_value)
SELECT %(tenant)s, id, %(field)s, floor(40 * {dice("id", 61)} * {dice("id", 61)})::int FROM leads_lead
WHERE id BETWEEN %(low)s AND %(high)s AND {dice("id", 62)} < 0.3
"""


PARTS: Final = (HISTORY, OFFERS, ATTEMPTS, DEALS, CLOCKS, OWNERS, TAGS, CUSTOM)


@dataclass(frozen=True)
class Staffing:
    """How many people work in a tenant, and in how many teams."""

    sdrs: int
    reps: int
    sdr_teams: int
    sales_teams: int


@dataclass(frozen=True)
class Phase:
    """What is written of every tenant before the next phase begins; ``tables`` are those written to.

    ``write`` does it, or gives the chunks of leads that several processes can take on.
    """

    name: str
    tables: tuple[str, ...]
    write: Callable[[int, int, datetime], "list[Chunk]"]


@dataclass(frozen=True)
class Chunk:
    """Statements, or calls, on a range of a tenant's leads."""

    parts: tuple[Any, ...]
    values: dict[str, Any]

    def write(self) -> None:
        """Run them one after the other, in a transaction."""
        from django.db import connection

        from tenancy.scope import tenant_scope

        with tenant_scope(self.values["tenant"]), connection.cursor() as cursor:
            for part in self.parts:
                if callable(part):
                    part(self.values)
                else:
                    cursor.execute(part, self.values)


def _make_events(tenant_id: int, leads: int, now: datetime) -> list[Chunk]:
    return _chunks(tenant_id, now, (EVENTS,))


def _make_standings(tenant_id: int, leads: int, now: datetime) -> list[Chunk]:
    return _chunks(tenant_id, now, (STANDINGS, _score, GATED, TOLD))


def _make_history(tenant_id: int, leads: int, now: datetime) -> list[Chunk]:
    return _chunks(tenant_id, now, PARTS)


def _make_search(tenant_id: int, leads: int, now: datetime) -> list[Chunk]:
    from leads.search import REFRESH

    refresh = REFRESH.replace("= ANY (%(lead_ids)s::bigint[])", "BETWEEN %(low)s AND %(high)s")
    return _chunks(tenant_id, now, (refresh,))


def list_phases() -> list[Phase]:
    """What fills the tenants, in order."""
    return [
        Phase("people", (), _make_people),
        Phase("leads", ("leads_lead",), _make_leads),
        Phase("search", ("leads_leadsearch",), _make_search),
        Phase("events", ("leads_event",), _make_events),
        Phase("standings", ("leads_leadstate", "leads_decision", "core_duerow"), _make_standings),
        Phase(
            "history",
            (
                *("leads_decision", "core_duerow", "leads_stagechange", "leads_contactattempt"),
                *("leads_opportunity", "routing_clock", "leads_leadtag", "leads_customvalue"),
            ),
            _make_history,
        ),
    ]


def fingerprint() -> str:
    """Changes with what is written."""
    texts = (COMPANIES, LEADS, EVENTS, STANDINGS, GATED, TOLD, *PARTS)
    return hashlib.sha256("".join(texts).encode()).hexdigest()[:16]


def _make_people(tenant_id: int, leads: int, now: datetime) -> list[Chunk]:
    """Teams with members, rules whose clocks run for a year, a field of the tenant's own."""
    from leads.models import CustomField, RuleKind
    from leads.versions import publish_version, save_draft
    from routing.models import ClockKind
    from tenancy.models import Role, Team, TeamFunction
    from tenancy.scope import tenant_scope
    from tenancy.services import get_or_create_login, join_tenant

    staffing = Staffing(40, 20, 4, 2) if leads > 100_000 else Staffing(4, 2, 2, 1)
    plan = (
        (Role.SDR, TeamFunction.SDR, staffing.sdrs, staffing.sdr_teams),
        (Role.SALES, TeamFunction.SALES, staffing.reps, staffing.sales_teams),
    )
    with tenant_scope(tenant_id):
        for role, function, people, teams in plan:
            made = [
                Team.objects.create(name=f"{function} {each}", function=function) for each in range(teams)
            ]
            for number in range(people):
                user = get_or_create_login(email=f"{role}{number}@tenant{tenant_id}.bench.example")
                join_tenant(
                    user=user, roles=[role], now=now, name=f"{role} {number}", team=made[number % teams]
                )
        duration = {"kind": "elapsed", "amount": CLOCK_MINUTES}
        policies = [
            {"kind": kind.value, "duration": duration, "warn": [50, 80], "offer": 150, "escalate": 200}
            for kind in ClockKind
        ]
        draft = save_draft(kind=RuleKind.CLOCKS, document={"policies": policies}, by=None, now=now)
        publish_version(version=draft, by=None, now=now)
        CustomField.objects.create(name="plants", label="Plants", type="integer")
    return []


def _make_leads(tenant_id: int, leads: int, now: datetime) -> list[Chunk]:
    from django.db import connection

    from tenancy.scope import tenant_scope

    values: dict[str, Any] = {
        "tenant": tenant_id,
        "now": now,
        "leads": leads,
        "companies": max(1, leads // LEADS_A_COMPANY),
        "origins": list(ORIGINS),
    }
    with tenant_scope(tenant_id), connection.cursor() as cursor:
        for statement in (ORIGIN_ROWS, COMPANIES):
            cursor.execute(statement, values)
        # The planner knows nothing yet of the companies that were made a moment ago.
        cursor.execute("SET LOCAL enable_nestloop = off")
        cursor.execute(LEADS, values)
    return []


def _chunks(tenant_id: int, now: datetime, parts: tuple[Any, ...]) -> list[Chunk]:
    """The tenant's leads, so many at a time."""
    from django.db import connection

    from tenancy.scope import tenant_scope

    with tenant_scope(tenant_id), connection.cursor() as cursor:
        known = _known(tenant_id, now)
        cursor.execute("SELECT min(id), max(id) FROM leads_lead")
        first, last = cursor.fetchone()
    return [
        Chunk(parts, known | {"low": low, "high": min(low + CHUNK - 1, last)})
        for low in range(first, last + 1, CHUNK)
    ]


def _known(tenant_id: int, now: datetime) -> dict[str, Any]:
    """What the statements ask for besides the range of leads."""
    from leads.models import CustomField, RuleKind, RuleVersion, VersionStatus
    from tenancy.models import Membership, Role, Team, TeamFunction

    published = dict(
        RuleVersion.objects.filter(status=VersionStatus.PUBLISHED, name="main").values_list("kind", "id")
    )

    def people(role: Role) -> list[int]:
        return list(
            Membership.objects.filter(roles__contains=[role]).order_by("id").values_list("id", flat=True)
        )

    def teams(function: TeamFunction) -> list[int]:
        return list(Team.objects.filter(function=function).order_by("id").values_list("id", flat=True))

    return {
        "tenant": tenant_id,
        "now": now,
        "minutes": CLOCK_MINUTES,
        "sdrs": people(Role.SDR),
        "reps": people(Role.SALES),
        "sdr_teams": teams(TeamFunction.SDR),
        "sales_teams": teams(TeamFunction.SALES),
        "gates": published[RuleKind.GATES],
        "clocks": published[RuleKind.CLOCKS],
        "routing": published[RuleKind.ROUTING],
        "field": CustomField.objects.values_list("id", flat=True).get(name="plants"),
    }


def _score(values: dict[str, Any]) -> None:
    """Scores, grades, their decisions and due rows, by the steps themselves."""
    from leads.pipeline import BATCH_SIZE, Batch, Reason, ReasonCode
    from leads.versions import open_rulebook
    from scoring.steps import rate
    from tenancy.models import Tenant

    tenant, rules = Tenant.objects.get(pk=values["tenant"]), open_rulebook()
    for low in range(values["low"], values["high"] + 1, BATCH_SIZE):
        lead_ids = list(range(low, min(low + BATCH_SIZE, values["high"] + 1)))
        batch = Batch(lead_ids, Reason(ReasonCode.IMPORTED), values["now"], tenant, rules)
        rate.apply(batch, rate.plan(batch))

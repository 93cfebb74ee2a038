"""Made-up people and companies. Any likeness to real ones is chance."""

import random
import unicodedata

FIRST_NAMES = (
    *(
        "Mariana",
        "João",
        "Lívia",
        "Rafael",
        "Aline",
        "Pedro",
        "Camila",
        "Otávio",
        "Beatriz",
        "Lucas",
        "Fernanda",
        "Gustavo",
    ),
    *(
        "Juliana",
        "Thiago",
        "Patrícia",
        "Rodrigo",
        "Larissa",
        "Felipe",
        "Renata",
        "Marcelo",
        "Tatiane",
        "André",
        "Vanessa",
    ),
    *(
        "Eduardo",
        "Cláudia",
        "Henrique",
        "Sônia",
        "Vinícius",
        "Débora",
        "Caio",
        "Elaine",
        "Murilo",
        "Priscila",
        "Igor",
    ),
)
LAST_NAMES = (
    *(
        "Ferraz",
        "Prado",
        "Antunes",
        "Teles",
        "Matos",
        "Nunes",
        "Rocha",
        "Reis",
        "Lopes",
        "Castro",
        "Barbosa",
        "Cardoso",
    ),
    *(
        "Azevedo",
        "Moreira",
        "Pinto",
        "Farias",
        "Campos",
        "Duarte",
        "Freitas",
        "Gonçalves",
        "Ribeiro",
        "Tavares",
        "Viana",
    ),
    *(
        "Xavier",
        "Moura",
        "Peixoto",
        "Rezende",
        "Queiroz",
        "Assis",
        "Bastos",
        "Leal",
        "Siqueira",
        "Brandão",
        "Couto",
    ),
)
COMPANY_HEADS = (
    *(
        "Café",
        "Metalúrgica",
        "Clínica",
        "Grupo",
        "Escola",
        "Agro",
        "Trans",
        "Padaria",
        "Rede",
        "Construtora",
        "Têxtil",
    ),
    *(
        "Móveis",
        "Distribuidora",
        "Laboratório",
        "Farma",
        "Logística",
        "Vinícola",
        "Cerâmica",
        "Gráfica",
        "Frigorífico",
    ),
)
COMPANY_TAILS = (
    *(
        "do Vale",
        "Orion",
        "Sorrir",
        "Nortão",
        "Saber",
        "Verde",
        "Log",
        "Central",
        "Vida",
        "Horizonte",
        "Sul",
        "Aurora",
    ),
    *(
        "Ipê",
        "Bandeirante",
        "Atlântica",
        "Pampa",
        "Serrana",
        "Litoral",
        "Planalto",
        "Pioneira",
        "Araucária",
        "Cerrado",
    ),
)
INDUSTRIES = (
    "manufacturing",
    "health",
    "education",
    "retail",
    "logistics",
    "agriculture",
    "construction",
    "services",
)
PLACES = (
    ("Campinas", "SP"),
    ("São Paulo", "SP"),
    ("Ribeirão Preto", "SP"),
    ("Rio de Janeiro", "RJ"),
    ("Niterói", "RJ"),
    ("Belo Horizonte", "MG"),
    ("Uberlândia", "MG"),
    ("Curitiba", "PR"),
    ("Londrina", "PR"),
    ("Porto Alegre", "RS"),
    ("Caxias do Sul", "RS"),
    ("Florianópolis", "SC"),
    ("Joinville", "SC"),
    ("Salvador", "BA"),
    ("Recife", "PE"),
    ("Fortaleza", "CE"),
    ("Goiânia", "GO"),
    ("Brasília", "DF"),
    ("Manaus", "AM"),
    ("Belém", "PA"),
)
TITLES = (
    ("Assistente administrativo", "entry"),
    ("Analista de operações", "senior"),
    ("Gerente de operações", "manager"),
    ("Gerente financeira", "manager"),
    ("Diretora de tecnologia", "director"),
    ("Diretor industrial", "director"),
    ("CEO", "c_level"),
    ("Sócia", "partner"),
)
# Where leads come from, and how often.
ORIGINS = {
    "Organic search": 26,
    "Paid search": 21,
    "Partner events": 12,
    "Social": 18,
    "Referral": 8,
    "Webinar": 10,
    None: 5,
}
CAMPAIGNS = ("erp-2026", "guia-implantacao", "feira-industria", "planilha-zero", "webinar-custos")
LANDING_PAGES = ("/planos", "/erp-para-industria", "/guia", "/webinar", "/demonstracao")
NOTES = (
    "Pediu retorno depois do fechamento do mês.",
    "Usa planilhas em três unidades.",
    "Atendeu, quer envolver o financeiro.",
    "Caixa postal.",
    "Falei com a recepção.",
)


def ascii_word(text: str) -> str:
    """A name as it stands in an address."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return "".join(character for character in plain.lower() if character.isalnum())


def make_phone(dice: random.Random) -> str:
    """A Brazilian mobile number."""
    area = dice.choice((11, 19, 21, 31, 41, 51, 71, 81))
    return f"+55 {area} 9{dice.randrange(6000, 9999)}-{dice.randrange(1000, 9999)}"


def make_persona(dice: random.Random, external_id: str) -> dict[str, object]:
    """Roll one lead: the document a capture door gets."""
    first, last = dice.choice(FIRST_NAMES), dice.choice(LAST_NAMES)
    city, state = dice.choice(PLACES)
    title, seniority = dice.choice(TITLES)
    origin = dice.choices(list(ORIGINS), weights=list(ORIGINS.values()))[0]
    number = dice.randrange(2, 90)
    company = f"{dice.choice(COMPANY_HEADS)} {dice.choice(COMPANY_TAILS)}"
    # Addresses that nobody can have: a reserved name, and a mark that Gmail does not allow.
    domain = f"{ascii_word(company)}{number}.example" if dice.random() < 0.8 else "gmail.com"
    document: dict[str, object] = {
        "external_id": external_id,
        "email": f"{ascii_word(first)}_{ascii_word(last)}{dice.randrange(1000)}@{domain}",
        "first_name": first,
        "last_name": last,
        "phone": make_phone(dice),
        "country": "BR" if dice.random() < 0.93 else dice.choice(("PT", "AR", "US")),
        "city": city,
        "state": state,
        "origin": origin,
        "landing_page": dice.choice(LANDING_PAGES),
        "consent": [{"purpose": "marketing", "basis": "consent", "text": "v3"}]
        if dice.random() < 0.85
        else [],
    }
    if dice.random() < 0.75:
        document |= {"job_title": title, "seniority": seniority}
    if origin in ("Paid search", "Partner events", "Webinar", "Social"):
        document["campaign"] = dice.choice(CAMPAIGNS)
    if dice.random() < 0.85:
        document["company"] = {
            "name": f"{company} {dice.choice(('Ltda', 'SA', 'ME'))}",
            "size": round(10 ** dice.uniform(0.6, 3.3)) if dice.random() < 0.8 else None,
            "industry": dice.choice(INDUSTRIES),
        }
    return document

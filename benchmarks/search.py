"""Search through the audited function under row security: rare words and common ones, parts of words, numbers."""

from functools import partial
from typing import Final

from benchmarks.place import LARGE, SIZES
from benchmarks.report import Finding, worst
from benchmarks.timing import sql_milliseconds

LIMIT_MS: Final = 20.0
MOST_QUERIES: Final = 10
# The texts of the promise: two words or eight letters, whatever they are.
PROMISED: Final = (
    *("regina drummond", "maria silva", "silva maria", "ana souza", "ana horizonte", "jose aurora logistica"),
    *(
        "conceica",
        "oliveira",
        "horizont",
        "ubirajar",
        "sebastia",
        "empresa7",
        "bench-77",
        "98765432",
        "quxyzabc",
    ),
    *("marcelo.aguiar1@empresa72.com.br", "+55 19 90000-7919", "diamante energia 17", "JOSÉ ARAÚJO"),
)
SHORT: Final = ("ana", "sil", "re", "7")


def measure_search(tenants: dict[str, int]) -> list[Finding]:
    """Milliseconds of SQL from the text to the rows of the first page and the count."""
    from django.utils import timezone

    from leads.listing import count_leads, list_leads, read_list_query
    from leads.rows import list_lead_rows
    from tenancy.models import Membership
    from tenancy.scope import tenant_scope

    def read(text: str) -> None:
        now = timezone.now()
        query = read_list_query(parameters={"q": text}, member=Membership())
        page = list_leads(query=query, now=now)
        list_lead_rows(lead_ids=page.lead_ids)
        count_leads(query=query, now=now)

    findings = []
    with tenant_scope(tenants[LARGE]):
        promised = [(*sql_milliseconds(partial(read, text)), f"“{text}”") for text in PROMISED]
        findings.append(
            worst("search, two words or eight letters", SIZES[LARGE], LIMIT_MS, MOST_QUERIES, promised)
        )
        for text in SHORT:
            milliseconds, queries = sql_milliseconds(partial(read, text))
            findings.append(
                Finding(
                    f"search, “{text}”",
                    SIZES[LARGE],
                    f"{milliseconds:.1f} ms",
                    "",
                    None,
                    None,
                    f"{queries} queries",
                )
            )
    return findings

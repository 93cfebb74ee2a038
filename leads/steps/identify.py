"""identify: what intake leaves to be found out about a lead, from what stands on it."""

from dataclasses import dataclass
from typing import Final

from django.db import connection

from leads.conditions.statements import Statement
from leads.pipeline import Batch
from leads.search import SEARCH_TEXT, refresh_search
from tenancy.scope import require_tenant_id

# One index descent for each lead, however few the planner expects: a join beside the list of ids looked through it for each.
_UNIDENTIFIED: Final = Statement.text(f"""
SELECT lead.id, CASE WHEN lead.company_id IS NULL AND lead.email_kind = 'business' THEN split_part(lead.email, '@', 2) END,
    search.lead_id IS NULL
FROM leads_lead lead
LEFT JOIN leads_company company ON company.id = lead.company_id
LEFT JOIN LATERAL (SELECT lead_id, text FROM leads_leadsearch WHERE lead_id = lead.id OFFSET 0) search ON true
WHERE lead.id = ANY(%(lead_ids)s::bigint[])
    AND (lead.company_id IS NULL AND lead.email_kind = 'business' OR search.lead_id IS NULL OR search.text <> {SEARCH_TEXT})
""")  # noqa: S608 - only constants of our own


@dataclass(frozen=True)
class Unidentified:
    """``domains``: the domain of the employer, by lead. ``lead_ids``: those whose text for the search is not in step, or who have
    none: ``textless``."""

    lead_ids: list[int]
    domains: dict[int, str]
    textless: set[int]


class IdentifyStep:
    """Gives a lead with a business e-mail and no company the company of that domain, made if nobody has told of it yet; then
    brings the text by which the lead is found in step."""

    name = "identify"
    runs_on_history = True
    concerns: str | None = None

    def plan(self, batch: Batch) -> Unidentified:
        """Whose company is to be found, and who is not found by what is known of them."""
        found = _UNIDENTIFIED.rows(lead_ids=batch.lead_ids)
        return Unidentified(
            lead_ids=[lead_id for lead_id, _domain, _has_none in found],
            domains={lead_id: domain for lead_id, domain, _has_none in found if domain},
            textless={lead_id for lead_id, _domain, has_none in found if has_none},
        )

    def apply(self, batch: Batch, plan: Unidentified) -> None:
        """Find or make the companies, then attach them: the second statement sees what others made meanwhile."""
        if plan.domains:
            with connection.cursor() as cursor:
                cursor.execute(
                    """
                    INSERT INTO leads_company (tenant_id, domain, created_at)
                    SELECT %s, wanted.domain, %s
                    FROM (SELECT DISTINCT unnest(%s::text[]) AS domain ORDER BY 1) wanted
                    ON CONFLICT DO NOTHING
                    """,
                    [require_tenant_id(), batch.now, list(plan.domains.values())],
                )
                cursor.execute(
                    """
                    UPDATE leads_lead lead SET company_id = company.id
                    FROM unnest(%s::bigint[], %s::text[]) AS wanted (lead_id, domain)
                    JOIN leads_company company ON company.domain = wanted.domain
                    WHERE lead.id = wanted.lead_id
                    """,
                    [list(plan.domains), list(plan.domains.values())],
                )
        if plan.lead_ids:
            newborn = {each.lead_id for each in batch.newborn}
            refresh_search(lead_ids=plan.lead_ids, newborn=newborn & plan.textless)


identify = IdentifyStep()

"""identify: what intake leaves to be found out about a lead, from what stands on it."""

from django.db import connection

from leads.pipeline import Batch
from tenancy.scope import require_tenant_id


class IdentifyStep:
    """Gives a lead with a business e-mail and no company the company of that domain, made if nobody has told of it yet."""

    name = "identify"
    runs_on_history = True

    def plan(self, batch: Batch) -> dict[int, str]:
        """The domain of the employer, by lead."""
        with connection.cursor() as cursor:
            cursor.execute(
                """
                SELECT id, split_part(email, '@', 2) FROM leads_lead
                WHERE id = ANY(%s::bigint[]) AND company_id IS NULL AND email_kind = 'business'
                """,
                [batch.lead_ids],
            )
            return dict(cursor.fetchall())

    def apply(self, batch: Batch, plan: dict[int, str]) -> None:
        """Find or make the companies, then attach them: the second statement sees what others made meanwhile."""
        if not plan:
            return
        with connection.cursor() as cursor:
            cursor.execute(
                """
                INSERT INTO leads_company (tenant_id, domain, created_at)
                SELECT %s, wanted.domain, %s FROM (SELECT DISTINCT unnest(%s::text[]) AS domain ORDER BY 1) wanted
                ON CONFLICT DO NOTHING
                """,
                [require_tenant_id(), batch.now, list(plan.values())],
            )
            cursor.execute(
                """
                UPDATE leads_lead lead SET company_id = company.id
                FROM unnest(%s::bigint[], %s::text[]) AS wanted (lead_id, domain)
                JOIN leads_company company ON company.domain = wanted.domain
                WHERE lead.id = wanted.lead_id
                """,
                [list(plan), list(plan.values())],
            )


identify = IdentifyStep()

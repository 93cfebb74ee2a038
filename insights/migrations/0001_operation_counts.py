from django.db import migrations

from tenancy.row_security import DefinerFunction

# Counts, times and the addresses of tenants, nothing of what they know. Each part reads an index of what is unfinished and
# stops at ``most``, so that a backlog of millions costs no more than one of ``most`` rows. What waits because its tenant is
# suspended is not counted as waiting.
OPERATION_COUNTS = """
CREATE FUNCTION leadsys_operation_counts(at timestamptz, most integer)
RETURNS TABLE (what text, part text, tenant text, amount bigint, oldest timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
AS $$
    WITH found (what, part, tenant_id, since) AS (
        (SELECT 'due_overdue', kind, tenant_id, due_at FROM core_duerow
         WHERE due_at <= at AND held_at IS NULL
            AND tenant_id NOT IN (SELECT id FROM tenancy_tenant WHERE suspended_at IS NOT NULL)
         ORDER BY due_at LIMIT most)
        UNION ALL
        (SELECT 'due_held', kind, tenant_id, held_at FROM core_duerow WHERE held_at IS NOT NULL LIMIT most)
        UNION ALL
        (SELECT 'submission', state, tenant_id, received_at FROM leads_submission
         WHERE state IN ('received', 'held')
            AND (state = 'held' OR tenant_id NOT IN (SELECT id FROM tenancy_tenant WHERE suspended_at IS NOT NULL))
         LIMIT most)
        UNION ALL
        (SELECT 'lead', CASE WHEN held_at IS NULL THEN 'retrying' ELSE 'held' END, tenant_id, first_failed_at
         FROM leads_heldlead LIMIT most)
        UNION ALL
        (SELECT 'message', state, tenant_id, due_at FROM nurturing_message
         WHERE state IN ('queued', 'sending') AND due_at <= at
            AND tenant_id NOT IN (SELECT id FROM tenancy_tenant WHERE suspended_at IS NOT NULL) LIMIT most)
        UNION ALL
        SELECT 'message', 'unknown', tenant.id, message.since
        FROM tenancy_tenant tenant CROSS JOIN LATERAL (
            SELECT COALESCE(ended_at, queued_at) AS since FROM nurturing_message
            WHERE tenant_id = tenant.id AND state = 'unknown' ORDER BY queued_at DESC, id DESC LIMIT 1000
        ) message
        UNION ALL
        SELECT 'import', CASE WHEN finished_at IS NULL THEN 'unfinished' ELSE 'finished' END, NULL::bigint, started_at
        FROM leads_importrun
    )
    SELECT found.what, found.part, tenant.slug, count(*), min(found.since)
    FROM found LEFT JOIN tenancy_tenant tenant ON tenant.id = found.tenant_id
    GROUP BY found.what, found.part, tenant.slug
    UNION ALL
    SELECT 'import_row', outcome.key, NULL, sum(outcome.value::bigint)::bigint, NULL
    FROM leads_importrun run
    CROSS JOIN LATERAL jsonb_each_text(
        CASE WHEN jsonb_typeof(run.counts) = 'object' THEN run.counts ELSE '{}' END
    ) AS outcome (key, value)
    WHERE outcome.key IN ('new', 'updated', 'unchanged', 'duplicate', 'refused') AND outcome.value ~ '^[0-9]{1,15}$'
    GROUP BY outcome.key
$$
"""


class Migration(migrations.Migration):
    dependencies = [
        ("tenancy", "0003_suspend_and_delete"),
        ("core", "0004_held_due_rows"),
        ("leads", "0003_form_lookup"),
        ("nurturing", "0002_row_security"),
    ]

    operations = [
        DefinerFunction(
            signature="leadsys_operation_counts(timestamptz, integer)",
            sql=OPERATION_COUNTS,
            reads=(
                "core_duerow",
                "leads_submission",
                "leads_heldlead",
                "leads_importrun",
                "nurturing_message",
                "tenancy_tenant",
            ),
        ),
    ]

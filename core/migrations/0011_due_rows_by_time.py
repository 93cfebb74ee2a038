"""Whose rows are due is read off the index by time, and the index is kept clear of what has been acted on.

The function is planned without knowing the instant. Taking a third of all rows for due, the planner would rather look at every
tenant and kind, which costs a sweep that finds nothing twenty milliseconds among two million rows.
"""

from django.db import migrations

from tenancy.row_security import ReplaceDefinerFunction

HEAD = """
CREATE OR REPLACE FUNCTION leadsys_tenants_with_due_rows(at timestamptz)
RETURNS TABLE (tenant_id bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
AS $$
"""
BY_ANY_INDEX = """
    SELECT DISTINCT row.tenant_id FROM core_duerow row WHERE row.due_at <= at AND row.held_at IS NULL
"""
BY_TIME = """
    SELECT DISTINCT row.tenant_id FROM (
        SELECT due.tenant_id FROM core_duerow due WHERE due.due_at <= at AND due.held_at IS NULL
        ORDER BY due.due_at OFFSET 0
    ) row
    WHERE true
"""
NOT_SUSPENDED = """
    AND row.tenant_id NOT IN (SELECT tenant.id FROM tenancy_tenant tenant WHERE tenant.suspended_at IS NOT NULL)
"""


class Migration(migrations.Migration):
    dependencies = [("core", "0010_webhooks")]

    operations = [
        ReplaceDefinerFunction(
            signature="leadsys_tenants_with_due_rows(timestamptz)",
            sql=f"{HEAD}{BY_TIME}{NOT_SUSPENDED}$$",
            before=f"{HEAD}{BY_ANY_INDEX}{NOT_SUSPENDED}$$",
            reads=("core_duerow", "tenancy_tenant"),
        ),
        # A queue: what has been acted on lies at the head of the indexes that sweeps read each second. By PostgreSQL's own
        # settings it may be a fifth of the table before it is cleared away.
        migrations.RunSQL(
            "ALTER TABLE core_duerow SET (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 5000)",
            "ALTER TABLE core_duerow RESET (autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold)",
        ),
    ]

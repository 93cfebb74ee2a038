from django.db import migrations

from tenancy.row_security import ReplaceDefinerFunction

HEAD = """
CREATE OR REPLACE FUNCTION leadsys_tenants_with_due_rows(at timestamptz)
RETURNS TABLE (tenant_id bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
AS $$
    SELECT DISTINCT row.tenant_id FROM core_duerow row WHERE row.due_at <= at AND row.held_at IS NULL
"""
NOT_SUSPENDED = """
    AND row.tenant_id NOT IN (SELECT tenant.id FROM tenancy_tenant tenant WHERE tenant.suspended_at IS NOT NULL)
"""


class Migration(migrations.Migration):
    dependencies = [("core", "0004_held_due_rows"), ("tenancy", "0003_suspend_and_delete")]

    operations = [
        ReplaceDefinerFunction(
            signature="leadsys_tenants_with_due_rows(timestamptz)",
            sql=f"{HEAD}{NOT_SUSPENDED}$$",
            before=f"{HEAD}$$",
            reads=("core_duerow", "tenancy_tenant"),
        ),
    ]

from django.db import migrations

from tenancy.row_security import ReplaceDefinerFunction

HEAD = """
CREATE OR REPLACE FUNCTION leadsys_tenants_with_messages_due(at timestamptz)
RETURNS TABLE (tenant_id bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
AS $$
    SELECT DISTINCT message.tenant_id FROM nurturing_message message
    WHERE message.state IN ('queued', 'sending') AND message.due_at <= at
"""
NOT_SUSPENDED = """
    AND message.tenant_id NOT IN (SELECT tenant.id FROM tenancy_tenant tenant WHERE tenant.suspended_at IS NOT NULL)
"""


class Migration(migrations.Migration):
    dependencies = [("nurturing", "0002_row_security"), ("tenancy", "0003_suspend_and_delete")]

    operations = [
        ReplaceDefinerFunction(
            signature="leadsys_tenants_with_messages_due(timestamptz)",
            sql=f"{HEAD}{NOT_SUSPENDED}$$",
            before=f"{HEAD}$$",
            reads=("nurturing_message", "tenancy_tenant"),
        ),
    ]

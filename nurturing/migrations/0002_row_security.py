from django.db import migrations

from tenancy.row_security import DefinerFunction, SecureTenantTables

TENANTS_WITH_MESSAGES = """
CREATE FUNCTION leadsys_tenants_with_messages_due(at timestamptz)
RETURNS TABLE (tenant_id bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
AS $$
    SELECT DISTINCT message.tenant_id FROM nurturing_message message
    WHERE message.state IN ('queued', 'sending') AND message.due_at <= at
$$
"""

FIND_MESSAGE = """
CREATE FUNCTION leadsys_find_message(wanted text)
RETURNS TABLE (message_id bigint, tenant_id bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
AS $$
    SELECT message.id, message.tenant_id FROM nurturing_message message WHERE message.token = wanted
$$
"""


class Migration(migrations.Migration):
    dependencies = [("nurturing", "0001_initial"), ("leads", "0002_row_security")]

    operations = [
        SecureTenantTables(),
        DefinerFunction(
            signature="leadsys_tenants_with_messages_due(timestamptz)",
            sql=TENANTS_WITH_MESSAGES,
            reads=("nurturing_message",),
        ),
        DefinerFunction(
            signature="leadsys_find_message(text)", sql=FIND_MESSAGE, reads=("nurturing_message",)
        ),
    ]

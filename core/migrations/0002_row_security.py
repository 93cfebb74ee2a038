from django.db import migrations

from tenancy.row_security import DefinerFunction, SecureTenantTables

TENANTS_WITH_DUE_ROWS = """
CREATE FUNCTION leadsys_tenants_with_due_rows(at timestamptz)
RETURNS TABLE (tenant_id bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
AS $$
    SELECT DISTINCT row.tenant_id FROM core_duerow row WHERE row.due_at <= at AND row.held_at IS NULL
$$
"""


class Migration(migrations.Migration):
    dependencies = [("core", "0001_initial"), ("tenancy", "0002_row_security")]

    operations = [
        SecureTenantTables(),
        DefinerFunction(
            signature="leadsys_tenants_with_due_rows(timestamptz)",
            sql=TENANTS_WITH_DUE_ROWS,
            reads=("core_duerow",),
        ),
    ]

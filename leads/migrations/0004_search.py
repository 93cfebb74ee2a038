import django.db.models.deletion
from django.contrib.postgres.operations import CreateExtension
from django.db import migrations, models

import tenancy.fields
from tenancy.row_security import DefinerFunction, SecureTenantTables

# Which leads of the tenant in scope have every pattern in their text: any of them, so many at most. The texts are LIKE patterns
# and stay values; each has a condition of its own, since the index takes no LIKE ALL.
SEARCH_LEADS = """
CREATE FUNCTION leadsys_search_leads(patterns text[], most integer)
RETURNS SETOF bigint
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp
AS $$
DECLARE
    scope bigint := NULLIF(current_setting('leadsys.tenant_id', true), '')::bigint;
    matches text;
BEGIN
    IF scope IS NULL OR cardinality(patterns) NOT BETWEEN 1 AND 8 OR array_position(patterns, NULL) IS NOT NULL THEN
        RETURN;
    END IF;
    SELECT string_agg('text LIKE $2[' || place || ']', ' AND ') INTO matches FROM generate_subscripts(patterns, 1) place;
    RETURN QUERY EXECUTE 'SELECT lead_id FROM leads_leadsearch WHERE tenant_id = $1 AND ' || matches || ' LIMIT $3'
        USING scope, patterns, most;
END
$$
"""


class Migration(migrations.Migration):
    dependencies = [("leads", "0003_form_lookup")]

    operations = [
        # Both are trusted: the owner of the database may make them.
        CreateExtension("pg_trgm"),
        CreateExtension("btree_gin"),
        migrations.CreateModel(
            name="LeadSearch",
            fields=[
                ("tenant", tenancy.fields.TenantKey(loose=True)),
                (
                    "lead",
                    tenancy.fields.TenantOneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="search",
                        serialize=False,
                        to="leads.lead",
                    ),
                ),
                ("text", models.TextField()),
            ],
        ),
        SecureTenantTables(only=("LeadSearch",)),
        DefinerFunction(
            signature="leadsys_search_leads(text[], integer)", sql=SEARCH_LEADS, reads=("leads_leadsearch",)
        ),
    ]

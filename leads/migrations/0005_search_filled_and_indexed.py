import django.contrib.postgres.indexes
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, transaction

from tenancy.scope import TENANT_SETTING

BATCH = 5000
PLAIN = r"replace(regexp_replace(lower(normalize({}, NFKD)), '[\u0300-\u036f]+', '', 'g'), 'ß', 'ss')"
WORDS = "regexp_replace({}, '[^[:alnum:]]+', ' ', 'g')"
# What leads.search wrote when this was released.
FILL = f"""
INSERT INTO leads_leadsearch (tenant_id, lead_id, text)
SELECT lead.tenant_id, lead.id, (' ' || concat_ws(
    ' ', lead.name_key, {WORDS.format(PLAIN.format("lead.email"))}, {WORDS.format(PLAIN.format("lead.external_id"))},
    regexp_replace(lead.phone, '[^0-9]+', '', 'g'), company.name_key,
    CASE WHEN company.domain = split_part(lead.email, '@', 2) THEN NULL ELSE {WORDS.format("company.domain")} END))
FROM leads_lead lead LEFT JOIN leads_company company ON company.id = lead.company_id
WHERE lead.id > %s AND lead.id <= %s
ON CONFLICT (lead_id) DO NOTHING
"""  # noqa: S608 - only the constants above


def fill(apps, schema_editor):
    """Tenant by tenant, since row security binds the owner too; so many leads in a transaction, so nobody waits for it."""
    connection = schema_editor.connection
    using = connection.alias
    with connection.cursor() as cursor:
        cursor.execute("SELECT id FROM tenancy_tenant ORDER BY id")
        for (tenant_id,) in cursor.fetchall():
            done, last = 0, None
            while last is None or done < last:
                with transaction.atomic(using=using):
                    cursor.execute("SELECT set_config(%s, %s, true)", [TENANT_SETTING, str(tenant_id)])
                    if last is None:
                        cursor.execute(
                            "SELECT COALESCE(min(id) - 1, 0), COALESCE(max(id), 0) FROM leads_lead"
                        )
                        done, last = cursor.fetchone()
                    cursor.execute(FILL, [done, done + BATCH])
                done += BATCH


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("leads", "0004_search")]

    operations = [
        migrations.RunPython(fill, migrations.RunPython.noop, elidable=True),
        AddIndexConcurrently(
            model_name="leadsearch",
            index=django.contrib.postgres.indexes.GinIndex(
                fields=["tenant", "text"],
                gin_pending_list_limit=1024,
                name="lead_search_parts",
                opclasses=["int8_ops", "gin_trgm_ops"],
            ),
        ),
    ]

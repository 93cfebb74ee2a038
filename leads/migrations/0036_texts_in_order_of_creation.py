from typing import Any

import django.contrib.postgres.indexes
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models, transaction

from tenancy.scope import TENANT_SETTING

BATCH = 5000
# Written anew in order of creation, so that the texts of a span lie together: the index finds its parts of them together, too.
FILL = """
WITH next AS MATERIALIZED (
    SELECT id, created_at FROM leads_lead WHERE (created_at, id) > (%s, %s) ORDER BY created_at, id LIMIT %s
), taken AS (
    DELETE FROM leads_leadsearch known USING next WHERE known.lead_id = next.id AND known.created_at IS NULL
    RETURNING known.tenant_id, known.lead_id, next.created_at, known.text
), filled AS (
    INSERT INTO leads_leadsearch (tenant_id, lead_id, created_at, text)
    SELECT tenant_id, lead_id, created_at, text FROM taken ORDER BY created_at, lead_id
)
SELECT created_at, id FROM next ORDER BY created_at DESC, id DESC LIMIT 1
"""
# Of a lead that turned out to be older in that moment.
MEND = """
UPDATE leads_leadsearch known SET created_at = lead.created_at
FROM leads_lead lead WHERE lead.id = known.lead_id AND lead.created_at <> known.created_at
"""
# Validating reads the table while others write to it; what is proven then need not be read again under a lock.
KNOWN = (
    "ALTER TABLE leads_leadsearch ADD CONSTRAINT lead_search_created_at_known NOT NULL created_at NOT VALID",
    "ALTER TABLE leads_leadsearch VALIDATE CONSTRAINT lead_search_created_at_known",
)


def fill(apps, schema_editor):
    """Tenant by tenant, since row security binds the owner too; so many leads in a transaction, so nobody waits for it.

    Room that becomes free on the way is not filled up again, or the texts would lie here and there.
    """
    connection = schema_editor.connection
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE leads_leadsearch SET (autovacuum_enabled = false)")
        try:
            cursor.execute("SELECT id FROM tenancy_tenant ORDER BY id")
            for (tenant_id,) in cursor.fetchall():
                fill_tenant(connection, tenant_id)
        finally:
            cursor.execute("ALTER TABLE leads_leadsearch RESET (autovacuum_enabled)")


def fill_tenant(connection: Any, tenant_id: int) -> None:
    """The texts of one tenant."""
    done: tuple[Any, ...] = ("-infinity", 0)
    with connection.cursor() as cursor:
        while done:
            with transaction.atomic(using=connection.alias):
                cursor.execute("SELECT set_config(%s, %s, true)", [TENANT_SETTING, str(tenant_id)])
                cursor.execute(FILL, [*done, BATCH])
                done = cursor.fetchone() or ()
        with transaction.atomic(using=connection.alias):
            cursor.execute("SELECT set_config(%s, %s, true)", [TENANT_SETTING, str(tenant_id)])
            cursor.execute(MEND)


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("leads", "0035_creation_beside_the_text")]

    operations = [
        migrations.RunPython(fill, migrations.RunPython.noop, elidable=True),
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL(KNOWN[0], "ALTER TABLE leads_leadsearch ALTER created_at DROP NOT NULL"),
                migrations.RunSQL(KNOWN[1], migrations.RunSQL.noop),
            ],
            state_operations=[
                migrations.AlterField(
                    model_name="leadsearch", name="created_at", field=models.DateTimeField()
                )
            ],
        ),
        AddIndexConcurrently(
            model_name="leadsearch",
            index=django.contrib.postgres.indexes.GinIndex(
                models.Func(models.F("tenant"), models.F("created_at"), function="leadsys_search_spans"),
                django.contrib.postgres.indexes.OpClass(models.F("text"), "gin_trgm_ops"),
                gin_pending_list_limit=1024,
                name="lead_search_spans",
            ),
        ),
    ]

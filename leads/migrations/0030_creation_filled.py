from django.db import migrations, models, transaction

from tenancy.scope import TENANT_SETTING

BATCH = 5000
FILL = """
WITH next AS MATERIALIZED (SELECT lead_id FROM leads_leadstate WHERE lead_id > %s ORDER BY lead_id LIMIT %s),
filled AS (
    UPDATE leads_leadstate standing SET created_at = lead.created_at
    FROM next JOIN leads_lead lead ON lead.id = next.lead_id
    WHERE standing.lead_id = next.lead_id AND standing.created_at IS NULL
)
SELECT max(lead_id) FROM next
"""
# Validating reads the table while others write to it; what is proven then need not be read again under a lock.
KNOWN = (
    "ALTER TABLE leads_leadstate ADD CONSTRAINT lead_state_created_at_known NOT NULL created_at NOT VALID",
    "ALTER TABLE leads_leadstate VALIDATE CONSTRAINT lead_state_created_at_known",
)


def fill(apps, schema_editor):
    """Tenant by tenant, since row security binds the owner too; so many leads in a transaction, so nobody waits for it."""
    connection = schema_editor.connection
    with connection.cursor() as cursor:
        cursor.execute("SELECT id FROM tenancy_tenant ORDER BY id")
        for (tenant_id,) in cursor.fetchall():
            done = 0
            while done is not None:
                with transaction.atomic(using=connection.alias):
                    cursor.execute("SELECT set_config(%s, %s, true)", [TENANT_SETTING, str(tenant_id)])
                    cursor.execute(FILL, [done, BATCH])
                    (done,) = cursor.fetchone()


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("leads", "0029_creation_on_the_standing")]

    operations = [
        migrations.RunPython(fill, migrations.RunPython.noop, elidable=True),
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL(KNOWN[0], "ALTER TABLE leads_leadstate ALTER created_at DROP NOT NULL"),
                migrations.RunSQL(KNOWN[1], migrations.RunSQL.noop),
            ],
            state_operations=[
                migrations.AlterField(
                    model_name="leadstate",
                    name="created_at",
                    field=models.DateTimeField(verbose_name="created"),
                )
            ],
        ),
    ]

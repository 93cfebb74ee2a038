from django.db import migrations, transaction

from tenancy.scope import TENANT_SETTING

BATCH = 5000
FILL = """
UPDATE leads_leadstate state SET clock_due_at = running.due_at
FROM (
    SELECT lead_id, min(due_at) AS due_at FROM routing_clock
    WHERE lead_id > %s AND lead_id <= %s AND state IN ('running', 'paused', 'broken')
    GROUP BY lead_id
) running
WHERE state.lead_id = running.lead_id AND state.clock_due_at IS DISTINCT FROM running.due_at
"""


def fill(apps, schema_editor):
    """Tenant by tenant, since row security binds the owner too; so many leads in a transaction, so nobody waits for it."""
    connection = schema_editor.connection
    with connection.cursor() as cursor:
        cursor.execute("SELECT id FROM tenancy_tenant ORDER BY id")
        for (tenant_id,) in cursor.fetchall():
            done, last = 0, None
            while last is None or done < last:
                with transaction.atomic(using=connection.alias):
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
    dependencies = [("routing", "0002_row_security"), ("leads", "0008_when_the_clock_is_due")]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop, elidable=True)]

from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models, transaction

from tenancy.scope import TENANT_SETTING

BATCH = 5000
FILL = """
WITH next AS MATERIALIZED (SELECT id, lead_id FROM {table} WHERE (lead_id, id) > (%s, %s) ORDER BY lead_id, id LIMIT %s),
filled AS (
    UPDATE {table} kept SET created_at = lead.created_at
    FROM next JOIN leads_lead lead ON lead.id = next.lead_id
    WHERE kept.id = next.id AND kept.created_at IS NULL
)
SELECT lead_id, id FROM next ORDER BY lead_id DESC, id DESC LIMIT 1
"""
# Validating reads the table while others write to it; what is proven then need not be read again under a lock.
KNOWN = (
    "ALTER TABLE {table} ADD CONSTRAINT {name}_created_at_known NOT NULL created_at NOT VALID",
    "ALTER TABLE {table} VALIDATE CONSTRAINT {name}_created_at_known",
)
TABLES = {"leads_leadtag": "lead_tag", "leads_customvalue": "custom_value"}
TYPES = ("text", "integer", "decimal", "date")


def fill(apps, schema_editor):
    """Tenant by tenant, since row security binds the owner too; so many rows in a transaction, so nobody waits for it."""
    connection = schema_editor.connection
    with connection.cursor() as cursor:
        cursor.execute("SELECT id FROM tenancy_tenant ORDER BY id")
        for (tenant_id,) in cursor.fetchall():
            for table in TABLES:
                done = (0, 0)
                while done:
                    with transaction.atomic(using=connection.alias):
                        cursor.execute("SELECT set_config(%s, %s, true)", [TENANT_SETTING, str(tenant_id)])
                        cursor.execute(FILL.format(table=table), [*done, BATCH])
                        done = cursor.fetchone()


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("leads", "0042_creation_beside_tags_and_own_values")]

    operations = [
        migrations.RunPython(fill, migrations.RunPython.noop, elidable=True),
        migrations.SeparateDatabaseAndState(
            database_operations=[
                operation
                for table, name in TABLES.items()
                for operation in (
                    migrations.RunSQL(
                        KNOWN[0].format(table=table, name=name),
                        f"ALTER TABLE {table} ALTER created_at DROP NOT NULL",
                    ),
                    migrations.RunSQL(KNOWN[1].format(table=table, name=name), migrations.RunSQL.noop),
                )
            ],
            state_operations=[
                migrations.AlterField(
                    model_name=model, name="created_at", field=models.DateTimeField(editable=False)
                )
                for model in ("leadtag", "customvalue")
            ],
        ),
        AddIndexConcurrently(
            model_name="leadtag",
            index=models.Index(fields=["tenant", "tag", "-created_at", "-lead"], name="lead_tag_newest"),
        ),
        RemoveIndexConcurrently(model_name="leadtag", name="lead_tag_by_tag"),
        *(
            operation
            for type_ in TYPES
            for operation in (
                AddIndexConcurrently(
                    model_name="customvalue",
                    index=models.Index(
                        fields=["tenant", "field", f"{type_}_value", "-created_at", "-lead"],
                        condition=models.Q((f"{type_}_value__isnull", False)),
                        name=f"custom_value_{type_}_newest",
                    ),
                ),
                RemoveIndexConcurrently(model_name="customvalue", name=f"custom_value_by_{type_}"),
            )
        ),
    ]

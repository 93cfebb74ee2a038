import django.db.models.deletion
from django.db import migrations

import tenancy.fields

# Nothing refers to the keys of either; the reference of a notification to its member carries the tenant.
DROPPED = {
    "core_duerow": ("core_duerow_key_in_tenant", "UNIQUE (tenant_id, id)"),
    "core_notification": ("core_notification_key_in_tenant", "UNIQUE (tenant_id, id)"),
}
TENANT = "FOREIGN KEY (tenant_id) REFERENCES tenancy_tenant (id) ON DELETE CASCADE NOT VALID"


class Migration(migrations.Migration):
    dependencies = [("core", "0007_due_lanes"), ("tenancy", "0003_suspend_and_delete")]

    operations = [
        migrations.AlterField(
            model_name="notification",
            name="tenant",
            field=tenancy.fields.TenantKey(
                db_constraint=False,
                db_index=False,
                editable=False,
                loose=True,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="+",
                to="tenancy.tenant",
            ),
        ),
        *(
            migrations.RunSQL(
                f"ALTER TABLE {table} DROP CONSTRAINT {name}",
                f"ALTER TABLE {table} ADD CONSTRAINT {name} {what}",
            )
            for table, (name, what) in DROPPED.items()
        ),
        migrations.RunSQL(
            "ALTER TABLE core_notification DROP CONSTRAINT core_notification_tenant_fk",
            f"ALTER TABLE core_notification ADD CONSTRAINT core_notification_tenant_fk {TENANT}",
        ),
    ]

import django.db.models.deletion
from django.db import migrations

import tenancy.fields

# Their reference to the lead carries the tenant, so a second reference to the tenant itself only costs, at every rewrite anew;
# nothing refers to their own keys.
DROPPED = {"leads_customvalue": "id", "leads_leadstate": "lead_id"}


def loose_tenant(model_name: str) -> migrations.AlterField:
    field = tenancy.fields.TenantKey(
        db_constraint=False,
        db_index=False,
        editable=False,
        loose=True,
        on_delete=django.db.models.deletion.DO_NOTHING,
        related_name="+",
        to="tenancy.tenant",
    )
    return migrations.AlterField(model_name=model_name, name="tenant", field=field)


class Migration(migrations.Migration):
    dependencies = [("leads", "0005_search_filled_and_indexed"), ("tenancy", "0003_suspend_and_delete")]

    operations = [
        loose_tenant("customvalue"),
        loose_tenant("leadstate"),
        *(
            migrations.RunSQL(
                f"ALTER TABLE {table} DROP CONSTRAINT {table}_tenant_fk, DROP CONSTRAINT {table}_key_in_tenant",
                f"ALTER TABLE {table} ADD CONSTRAINT {table}_tenant_fk FOREIGN KEY (tenant_id)"
                f" REFERENCES tenancy_tenant (id) ON DELETE CASCADE NOT VALID,"
                f" ADD CONSTRAINT {table}_key_in_tenant UNIQUE (tenant_id, {key})",
            )
            for table, key in DROPPED.items()
        ),
    ]

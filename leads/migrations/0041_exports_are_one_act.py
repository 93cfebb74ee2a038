from django.db import migrations, transaction

from tenancy.scope import TENANT_SETTING

ONE_ACT = """
UPDATE tenancy_auditentry SET act = 'list.exported', detail = '{"list": "leads"}' || detail WHERE act = 'leads.exported'
"""


def make_one(apps, schema_editor):
    """Tenant by tenant, since row security binds the owner too."""
    connection = schema_editor.connection
    with connection.cursor() as cursor:
        cursor.execute("SELECT id FROM tenancy_tenant ORDER BY id")
        for (tenant_id,) in cursor.fetchall():
            with transaction.atomic(using=connection.alias):
                cursor.execute("SELECT set_config(%s, %s, true)", [TENANT_SETTING, str(tenant_id)])
                cursor.execute(ONE_ACT)


class Migration(migrations.Migration):
    atomic = False
    dependencies = [
        ("leads", "0040_slices_of_a_search_for_duplicates"),
        ("tenancy", "0006_scope_of_erasing"),
    ]

    operations = [migrations.RunPython(make_one, migrations.RunPython.noop, elidable=True)]

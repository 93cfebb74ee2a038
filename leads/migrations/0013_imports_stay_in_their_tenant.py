from django.db import migrations

from tenancy.row_security import TenantReference


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("leads", "0012_imports_by_the_pages")]

    operations = [
        TenantReference(model="ImportRun", field="file"),
        TenantReference(model="ImportRun", field="rows_file"),
        TenantReference(model="ImportRun", field="made_by"),
    ]

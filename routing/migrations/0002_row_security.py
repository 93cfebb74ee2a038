from django.db import migrations

from tenancy.row_security import SecureTenantTables


class Migration(migrations.Migration):
    dependencies = [("routing", "0001_initial"), ("leads", "0002_row_security")]

    operations = [SecureTenantTables()]

from django.db import migrations

from tenancy.row_security import SecureTenantTables


class Migration(migrations.Migration):
    dependencies = [("leads", "0001_initial"), ("tenancy", "0002_row_security")]

    operations = [SecureTenantTables()]

import django.db.models.deletion
from django.db import migrations, models

import tenancy.fields
from tenancy.row_security import SecureTenantTables


class Migration(migrations.Migration):
    dependencies = [("leads", "0020_notes_tasks_and_tags"), ("tenancy", "0003_suspend_and_delete")]

    operations = [
        migrations.AddField(
            model_name="company",
            name="is_named_by_hand",
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.CreateModel(
            name="CompanyFormerName",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name_key", models.CharField(max_length=200)),
                (
                    "company",
                    tenancy.fields.TenantForeignKey(
                        db_constraint=False,
                        db_index=False,
                        loose=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="former_names",
                        to="leads.company",
                    ),
                ),
                (
                    "tenant",
                    tenancy.fields.TenantKey(
                        db_constraint=False,
                        db_index=False,
                        editable=False,
                        loose=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="tenancy.tenant",
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["tenant", "company"], name="company_former_name_of")],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("tenant", "name_key", "company"), name="company_former_name_once"
                    )
                ],
            },
        ),
        SecureTenantTables(only=("CompanyFormerName",)),
    ]

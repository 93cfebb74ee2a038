import django.contrib.postgres.fields
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("tenancy", "0005_scope_of_exports"),
    ]

    operations = [
        migrations.AlterField(
            model_name="apikey",
            name="scopes",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.CharField(
                    choices=[
                        ("leads:read", "Read leads"),
                        ("leads:write", "Create and change leads"),
                        ("events:write", "Record events"),
                        ("insight:read", "Read reports"),
                        ("settings:read", "Read settings"),
                        ("settings:write", "Change settings"),
                        ("rules:read", "Read rules"),
                        ("rules:write", "Change and publish rules"),
                        ("members:read", "Read people and teams"),
                        ("members:write", "Invite and change people and teams"),
                        ("audit:read", "Read the audit log"),
                        ("data:export", "Take everything along"),
                        ("data:erase", "Erase people"),
                    ],
                    max_length=14,
                ),
                default=list,
                size=None,
            ),
        ),
    ]

import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("core", "0002_row_security")]

    operations = [
        migrations.CreateModel(
            name="ProcessPulse",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "role",
                    models.CharField(
                        choices=[("web", "Web"), ("worker", "Worker"), ("beat", "Beat")], max_length=6
                    ),
                ),
                ("host", models.CharField(max_length=200)),
                ("pid", models.IntegerField()),
                ("version", models.CharField(max_length=40)),
                ("started_at", models.DateTimeField()),
                ("seen_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("host", "pid", "role"), name="process_pulse_once")
                ],
            },
        ),
    ]

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("leads", "0006_fewer_checks_a_write")]

    operations = [
        migrations.AddField(
            model_name="leadstate", name="clock_due_at", field=models.DateTimeField(null=True)
        ),
    ]

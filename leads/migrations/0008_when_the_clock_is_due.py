from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("leads", "0007_rerun_lanes")]

    operations = [
        migrations.AddField(
            model_name="leadstate", name="clock_due_at", field=models.DateTimeField(null=True)
        ),
    ]

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("leads", "0009_queue_indexes")]

    operations = [
        migrations.AddField(
            model_name="customfield",
            name="choices",
            field=models.JSONField(blank=True, null=True, verbose_name="choices"),
        ),
    ]

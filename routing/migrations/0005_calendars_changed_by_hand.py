from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("routing", "0004_clocks_change_in_place")]

    operations = [
        migrations.AddField(
            model_name="calendar",
            name="holiday_subdivision",
            field=models.CharField(max_length=40, null=True, verbose_name="holidays of the state"),
        ),
        migrations.AddField(
            model_name="calendar", name="recounted_to", field=models.BigIntegerField(null=True)
        ),
    ]

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("core", "0006_grown_tables_are_analysed")]

    operations = [
        migrations.AddField(
            model_name="duerow",
            name="lane",
            field=models.SmallIntegerField(db_default=0, default=0),
        ),
    ]

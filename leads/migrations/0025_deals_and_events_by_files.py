from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("leads", "0024_export_of_everything")]

    operations = [
        migrations.AddField(model_name="importrun", name="orders", field=models.JSONField(null=True)),
        migrations.AlterField(
            model_name="importrun",
            name="subject",
            field=models.CharField(
                choices=[("leads", "Leads"), ("outcomes", "Deals"), ("events", "Events")], max_length=8
            ),
        ),
        migrations.AddField(
            model_name="leadexport",
            name="column_keys",
            field=models.JSONField(db_default=[], default=list),
        ),
        migrations.AlterField(
            model_name="leadexport",
            name="columns",
            field=models.CharField(
                choices=[
                    ("view", "The columns that the list shows"),
                    ("list", "The usual columns"),
                    ("all", "All fields"),
                ],
                max_length=4,
            ),
        ),
    ]

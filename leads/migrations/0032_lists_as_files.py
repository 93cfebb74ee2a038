"""Files and acts on many leads come from any list, not from that of leads alone; the table of files keeps its name."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("leads", "0031_orders_by_stage")]

    operations = [
        migrations.AlterModelTable(name="leadexport", table="leads_leadexport"),
        migrations.RenameModel(old_name="LeadExport", new_name="ListExport"),
        migrations.AddField(
            model_name="listexport",
            name="list_kind",
            field=models.CharField(db_default="leads", default="leads", max_length=40),
        ),
        migrations.AddField(
            model_name="bulkrun",
            name="list_kind",
            field=models.CharField(db_default="leads", default="leads", max_length=40),
        ),
    ]

from django.db import migrations, models

# A standing is in step with its lead whoever writes either: who makes one without the instant gets the lead's.
KEEP_IN_STEP = """
CREATE FUNCTION leadsys_standing_is_new() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    SELECT created_at INTO NEW.created_at FROM leads_lead WHERE id = NEW.lead_id;
    RETURN NEW;
END
$$;
CREATE TRIGGER standing_takes_creation BEFORE INSERT ON leads_leadstate
    FOR EACH ROW WHEN (NEW.created_at IS NULL) EXECUTE FUNCTION leadsys_standing_is_new();
CREATE FUNCTION leadsys_lead_is_older() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE leads_leadstate SET created_at = NEW.created_at WHERE lead_id = NEW.id;
    RETURN NULL;
END
$$;
CREATE TRIGGER lead_gives_creation AFTER UPDATE OF created_at ON leads_lead
    FOR EACH ROW WHEN (OLD.created_at IS DISTINCT FROM NEW.created_at) EXECUTE FUNCTION leadsys_lead_is_older();
"""
LEAVE = """
DROP TRIGGER lead_gives_creation ON leads_lead;
DROP TRIGGER standing_takes_creation ON leads_leadstate;
DROP FUNCTION leadsys_lead_is_older();
DROP FUNCTION leadsys_standing_is_new();
"""


class Migration(migrations.Migration):
    dependencies = [("leads", "0028_deeds_by_person")]

    operations = [
        migrations.AddField(
            model_name="leadstate",
            name="created_at",
            field=models.DateTimeField(null=True, verbose_name="created"),
        ),
        migrations.RunSQL(KEEP_IN_STEP, LEAVE),
    ]

from django.db import migrations, models

# Rows of a lead are in step with it whoever writes them: each takes the lead's instant when it is made, and when it is given to
# another lead.
KEEP_IN_STEP = """
CREATE FUNCTION leadsys_row_takes_creation() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    SELECT created_at INTO NEW.created_at FROM leads_lead WHERE id = NEW.lead_id;
    RETURN NEW;
END
$$;
CREATE TRIGGER tag_takes_creation BEFORE INSERT ON leads_leadtag
    FOR EACH ROW EXECUTE FUNCTION leadsys_row_takes_creation();
CREATE TRIGGER tag_moves_to_creation BEFORE UPDATE OF lead_id ON leads_leadtag
    FOR EACH ROW WHEN (OLD.lead_id IS DISTINCT FROM NEW.lead_id) EXECUTE FUNCTION leadsys_row_takes_creation();
CREATE TRIGGER value_takes_creation BEFORE INSERT ON leads_customvalue
    FOR EACH ROW EXECUTE FUNCTION leadsys_row_takes_creation();
CREATE TRIGGER value_moves_to_creation BEFORE UPDATE OF lead_id ON leads_customvalue
    FOR EACH ROW WHEN (OLD.lead_id IS DISTINCT FROM NEW.lead_id) EXECUTE FUNCTION leadsys_row_takes_creation();
CREATE OR REPLACE FUNCTION leadsys_lead_is_older() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE leads_leadstate SET created_at = NEW.created_at WHERE lead_id = NEW.id;
    UPDATE leads_leadsearch SET created_at = NEW.created_at WHERE lead_id = NEW.id;
    UPDATE leads_leadtag SET created_at = NEW.created_at WHERE lead_id = NEW.id;
    UPDATE leads_customvalue SET created_at = NEW.created_at WHERE lead_id = NEW.id;
    RETURN NULL;
END
$$;
"""
LEAVE = """
CREATE OR REPLACE FUNCTION leadsys_lead_is_older() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE leads_leadstate SET created_at = NEW.created_at WHERE lead_id = NEW.id;
    UPDATE leads_leadsearch SET created_at = NEW.created_at WHERE lead_id = NEW.id;
    RETURN NULL;
END
$$;
DROP TRIGGER value_moves_to_creation ON leads_customvalue;
DROP TRIGGER value_takes_creation ON leads_customvalue;
DROP TRIGGER tag_moves_to_creation ON leads_leadtag;
DROP TRIGGER tag_takes_creation ON leads_leadtag;
DROP FUNCTION leadsys_row_takes_creation();
"""


class Migration(migrations.Migration):
    dependencies = [("leads", "0041_exports_are_one_act")]

    operations = [
        *(
            migrations.AddField(
                model_name=model, name="created_at", field=models.DateTimeField(null=True, editable=False)
            )
            for model in ("leadtag", "customvalue")
        ),
        migrations.RunSQL(KEEP_IN_STEP, LEAVE),
    ]

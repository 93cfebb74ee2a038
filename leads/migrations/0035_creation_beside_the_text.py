from django.db import migrations, models

# Where a lead stands in the order of creation, as what an index finds by equality alone: its tenant, then spans of 2 years, 45 days,
# 3 days, 4 hours, 16 minutes, one minute. A number says which: tenant, size of the span, how many of that size since 1970.
SPANS = """
CREATE FUNCTION leadsys_search_minute(at timestamptz) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN floor(date_part('epoch', at AT TIME ZONE 'UTC') / 60)::bigint;
CREATE FUNCTION leadsys_search_spans(tenant bigint, at timestamptz) RETURNS bigint[] LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ARRAY[
    (tenant << 36),
    (tenant << 36) + (1::bigint << 33) + leadsys_search_minute(at),
    (tenant << 36) + (2::bigint << 33) + (leadsys_search_minute(at) >> 4),
    (tenant << 36) + (3::bigint << 33) + (leadsys_search_minute(at) >> 8),
    (tenant << 36) + (4::bigint << 33) + (leadsys_search_minute(at) >> 12),
    (tenant << 36) + (5::bigint << 33) + (leadsys_search_minute(at) >> 16),
    (tenant << 36) + (6::bigint << 33) + (leadsys_search_minute(at) >> 20)
];
"""
NO_SPANS = """
DROP FUNCTION leadsys_search_spans(bigint, timestamptz);
DROP FUNCTION leadsys_search_minute(timestamptz);
"""
# A text is in step with its lead whoever writes either: who makes one without the instant gets the lead's.
KEEP_IN_STEP = """
CREATE FUNCTION leadsys_search_text_is_new() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    SELECT created_at INTO NEW.created_at FROM leads_lead WHERE id = NEW.lead_id;
    RETURN NEW;
END
$$;
CREATE TRIGGER search_text_takes_creation BEFORE INSERT ON leads_leadsearch
    FOR EACH ROW WHEN (NEW.created_at IS NULL) EXECUTE FUNCTION leadsys_search_text_is_new();
CREATE OR REPLACE FUNCTION leadsys_lead_is_older() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE leads_leadstate SET created_at = NEW.created_at WHERE lead_id = NEW.id;
    UPDATE leads_leadsearch SET created_at = NEW.created_at WHERE lead_id = NEW.id;
    RETURN NULL;
END
$$;
"""
LEAVE = """
CREATE OR REPLACE FUNCTION leadsys_lead_is_older() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE leads_leadstate SET created_at = NEW.created_at WHERE lead_id = NEW.id;
    RETURN NULL;
END
$$;
DROP TRIGGER search_text_takes_creation ON leads_leadsearch;
DROP FUNCTION leadsys_search_text_is_new();
"""


class Migration(migrations.Migration):
    dependencies = [("leads", "0034_standings_kept_visible")]

    operations = [
        migrations.AddField(
            model_name="leadsearch", name="created_at", field=models.DateTimeField(null=True)
        ),
        migrations.RunSQL(SPANS, NO_SPANS),
        migrations.RunSQL(KEEP_IN_STEP, LEAVE),
    ]

from django.db import migrations

from tenancy.row_security import DefinerFunction

FIND_FORM = """
CREATE FUNCTION leadsys_find_form(wanted uuid)
RETURNS TABLE (form_id bigint, tenant_id bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
AS $$
    SELECT form.id, form.tenant_id FROM leads_captureform form WHERE form.public_id = wanted AND form.is_open
$$
"""


class Migration(migrations.Migration):
    dependencies = [("leads", "0002_row_security")]

    operations = [
        DefinerFunction(signature="leadsys_find_form(uuid)", sql=FIND_FORM, reads=("leads_captureform",)),
    ]

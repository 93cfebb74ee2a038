from django.db import migrations

from tenancy.row_security import DefinerFunction, SecureTenantTables

FIND_API_KEY = """
CREATE FUNCTION leadsys_find_api_key(wanted text)
RETURNS TABLE (
    key_id bigint, tenant_id bigint, service_id bigint, key_hash text, scopes text[],
    expires_at timestamptz, revoked_at timestamptz, last_used_at timestamptz, service_name text,
    slug text, tenant_name text, time_zone text, language text, currency text, country text
)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
AS $$
    SELECT key.id, key.tenant_id, key.service_id, key.key_hash::text, key.scopes::text[],
           key.expires_at, key.revoked_at, key.last_used_at, service.name::text,
           tenant.slug::text, tenant.name::text, tenant.time_zone::text, tenant.language::text,
           tenant.currency::text, tenant.country::text
    FROM tenancy_apikey key
    JOIN tenancy_membership service ON service.tenant_id = key.tenant_id AND service.id = key.service_id
    JOIN tenancy_tenant tenant ON tenant.id = key.tenant_id
    WHERE key.prefix = wanted AND service.is_active
$$
"""

FIND_INVITATION = """
CREATE FUNCTION leadsys_find_invitation(wanted text)
RETURNS TABLE (invitation_id bigint, tenant_id bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
AS $$
    SELECT invitation.id, invitation.tenant_id FROM tenancy_invitation invitation WHERE invitation.token_hash = wanted
$$
"""


class Migration(migrations.Migration):
    dependencies = [("tenancy", "0001_initial")]

    operations = [
        SecureTenantTables(visible_to_self=("Membership",)),
        DefinerFunction(
            signature="leadsys_find_api_key(text)",
            sql=FIND_API_KEY,
            reads=("tenancy_apikey", "tenancy_membership", "tenancy_tenant"),
        ),
        DefinerFunction(
            signature="leadsys_find_invitation(text)", sql=FIND_INVITATION, reads=("tenancy_invitation",)
        ),
    ]

from django.db import migrations

from tenancy.row_security import DefinerFunction

# Analyses what belongs to tenants and has doubled since it last was, so calling it often does nothing. A table that another
# session analyses at this moment is left to that session.
ANALYSE_GROWN_TABLES = """
CREATE FUNCTION leadsys_analyse_grown_tables()
RETURNS SETOF text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp
AS $$
DECLARE
    grown text;
BEGIN
    FOR grown IN
        SELECT relname::text FROM pg_class
        WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND relrowsecurity
            AND has_table_privilege(oid, 'MAINTAIN')
            -- In pages; below one any plan is quick.
            AND pg_relation_size(oid) >= 2 * GREATEST(relpages, 1) * current_setting('block_size')::bigint
        ORDER BY relname
    LOOP
        EXECUTE 'ANALYZE (SKIP_LOCKED) public.' || quote_ident(grown);
        RETURN NEXT grown;
    END LOOP;
END
$$
"""


class Migration(migrations.Migration):
    dependencies = [("core", "0005_suspended_tenants_wait")]

    operations = [
        # The right to analyse is given by the command migrate, for the tables of later migrations too.
        DefinerFunction(signature="leadsys_analyse_grown_tables()", sql=ANALYSE_GROWN_TABLES, reads=()),
    ]

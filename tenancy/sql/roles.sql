-- The three database roles. Run by a superuser, connected to the database of LeadSys; running it again changes nothing.
-- The embedded servers run it by themselves. On a server of your own:
--
--   CREATE DATABASE leadsys TEMPLATE template0 ENCODING 'UTF8' LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8' LOCALE 'C';
--   LEADSYS_OWNER_PASSWORD=… LEADSYS_APP_PASSWORD=… psql -v ON_ERROR_STOP=1 -d leadsys -f tenancy/sql/init.sql
--
-- Parameters, all settings of the session:
--   leadsys.owner_password      of leadsys_owner; the password stays as it is when this is not set
--   leadsys.app_password        of leadsys_app; likewise
--   leadsys.backup_password     of leadsys_backup; the role is made when this is set
--   leadsys.makes_databases     'on' where leadsys_owner runs the tests, which make databases of their own; else leave it out
--
-- leadsys_owner    DATABASE_OWNER_URL: owns the database and its tables and runs the migrations; row security binds it too
-- leadsys_app      DATABASE_URL: what the application connects as; owns nothing and can't pass row security
-- leadsys_backup   DATABASE_ADMIN_URL of the command backup, where wanted: reads everything and writes nothing
-- leadsys_definer  nobody's login: owns the few audited SECURITY DEFINER functions and alone passes row security

DO $roles$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['leadsys_owner', 'leadsys_app', 'leadsys_definer'] LOOP
        BEGIN
            EXECUTE format('CREATE ROLE %I', name);
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL; -- it was there, or a parallel run made it at the same moment
        END;
    END LOOP;

    ALTER ROLE leadsys_owner LOGIN INHERIT NOSUPERUSER NOCREATEROLE NOREPLICATION NOBYPASSRLS NOCREATEDB;
    ALTER ROLE leadsys_app LOGIN INHERIT NOSUPERUSER NOCREATEROLE NOREPLICATION NOBYPASSRLS NOCREATEDB;
    ALTER ROLE leadsys_definer NOLOGIN NOINHERIT NOSUPERUSER NOCREATEROLE NOREPLICATION BYPASSRLS NOCREATEDB;
    IF current_setting('leadsys.makes_databases', true) = 'on' THEN
        ALTER ROLE leadsys_owner CREATEDB;
    END IF;

    IF NULLIF(current_setting('leadsys.owner_password', true), '') IS NOT NULL THEN
        EXECUTE format('ALTER ROLE leadsys_owner PASSWORD %L', current_setting('leadsys.owner_password'));
    END IF;
    IF NULLIF(current_setting('leadsys.app_password', true), '') IS NOT NULL THEN
        EXECUTE format('ALTER ROLE leadsys_app PASSWORD %L', current_setting('leadsys.app_password'));
    END IF;

    IF NULLIF(current_setting('leadsys.backup_password', true), '') IS NOT NULL THEN
        BEGIN
            CREATE ROLE leadsys_backup;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL;
        END;
        -- Row security is forced, so whoever dumps must pass it; reading is all that this role can do.
        ALTER ROLE leadsys_backup LOGIN INHERIT NOSUPERUSER NOCREATEROLE NOREPLICATION BYPASSRLS NOCREATEDB;
        ALTER ROLE leadsys_backup SET default_transaction_read_only = on;
        GRANT pg_read_all_data TO leadsys_backup;
        EXECUTE format('ALTER ROLE leadsys_backup PASSWORD %L', current_setting('leadsys.backup_password'));
        EXECUTE format('GRANT CONNECT ON DATABASE %I TO leadsys_backup', current_database());
    END IF;

    -- Migrations may hand a function to leadsys_definer, but the owner does not have its rights by being a member.
    GRANT leadsys_definer TO leadsys_owner WITH SET TRUE, INHERIT FALSE, ADMIN FALSE;

    EXECUTE format('ALTER DATABASE %I OWNER TO leadsys_owner', current_database());
    EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
    EXECUTE format('GRANT CONNECT, TEMPORARY ON DATABASE %I TO leadsys_app', current_database());
END
$roles$;

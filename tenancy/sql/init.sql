-- What PostgreSQL's image runs when its volume is empty, and by hand on a server of your own (see docs/operations.md):
--
--   LEADSYS_OWNER_PASSWORD=… LEADSYS_APP_PASSWORD=… psql -v ON_ERROR_STOP=1 -d leadsys -f tenancy/sql/init.sql
--
-- The passwords come by the environment: on a command line every user of the machine would see them. LEADSYS_BACKUP_PASSWORD
-- also makes leadsys_backup.
\set owner_password ''
\set app_password ''
\set backup_password ''
\getenv owner_password LEADSYS_OWNER_PASSWORD
\getenv app_password LEADSYS_APP_PASSWORD
\getenv backup_password LEADSYS_BACKUP_PASSWORD
\o /dev/null
SELECT set_config('leadsys.owner_password', :'owner_password', false),
       set_config('leadsys.app_password', :'app_password', false),
       set_config('leadsys.backup_password', :'backup_password', false);
\o
\ir roles.sql

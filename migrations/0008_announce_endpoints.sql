-- A change of an endpoint is announced as that endpoint's, so that processes read one row again and not all that its
-- tenant has. Replacing the function leaves the triggers as they are and waits for nobody.
CREATE OR REPLACE FUNCTION announce_registry_change() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    changed jsonb := to_jsonb(coalesce(new, old));
    tenant text := changed ->> tg_argv[0];
BEGIN
    IF tg_table_name = 'endpoints' THEN
        PERFORM pg_notify('tidings_registry', tenant || '/' || (changed ->> 'id'));
    ELSE
        PERFORM pg_notify('tidings_registry', coalesce(tenant, 'operators'));
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION announce_registry_change IS
    'Notifies tidings_registry of the tenant whose row changed, of "tenant/endpoint", or of "operators". The argument names the tenant''s column.';

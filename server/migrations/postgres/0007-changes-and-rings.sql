-- What changed, in order, so that every process on this store can follow. Written by triggers: no statement that
-- changes an app, a key, a revocation or a ban can forget it, and it is in the same transaction.
CREATE TABLE changes (
    seq    BIGINT PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    kind   TEXT   NOT NULL CHECK (kind IN ('app', 'key', 'revocation', 'ban', 'admin', 'master_key')),
    app_id BIGINT NOT NULL,
    id     TEXT   NOT NULL
);

-- Appends a change: of this kind, with its app and id in the columns of these names ('' for none). Runs when the
-- transaction commits. From its number on until the commit nobody else gets a number, so changes appear in the order
-- of their numbers and no follower can pass one by.
CREATE FUNCTION note_change() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    changed JSONB := to_jsonb(CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END);
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('roompass changes', 0));
    INSERT INTO changes (kind, app_id, id)
        VALUES (TG_ARGV[0], coalesce((changed ->> 'app_id')::bigint, 0), coalesce(changed ->> TG_ARGV[1], ''));
    PERFORM pg_notify('roompass_changes', '');
    RETURN NULL;
END $$;

CREATE CONSTRAINT TRIGGER apps_change AFTER INSERT OR UPDATE OR DELETE ON apps
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION note_change('app', '');
CREATE CONSTRAINT TRIGGER backend_keys_change AFTER INSERT OR UPDATE OF hash, name, scope, expire_at OR DELETE
    ON backend_keys DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION note_change('key', 'key_id');
CREATE CONSTRAINT TRIGGER revocations_change AFTER INSERT OR UPDATE ON revocations
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION note_change('revocation', 'revocation_id');
CREATE CONSTRAINT TRIGGER bans_change AFTER INSERT OR UPDATE OR DELETE ON bans
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION note_change('ban', 'ban_id');
CREATE CONSTRAINT TRIGGER meta_change AFTER UPDATE ON meta
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.name = 'sealed_with')
    EXECUTE FUNCTION note_change('master_key', '');

-- How secrets are used. Not part of the ring: counting changes no app. `mints_reserved` runs ahead of the mints made.
CREATE TABLE secret_uses (
    app_id         BIGINT NOT NULL REFERENCES apps (app_id) ON DELETE CASCADE,
    secret_id      TEXT COLLATE "C" NOT NULL,
    used_count     BIGINT NOT NULL DEFAULT 0 CHECK (used_count >= 0),
    last_used_at   BIGINT,
    mints_reserved BIGINT NOT NULL DEFAULT 0 CHECK (mints_reserved >= 0),
    PRIMARY KEY (app_id, secret_id)
);

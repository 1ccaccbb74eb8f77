-- What changed, in order, so that every process on this store can follow. Written by triggers: no statement that
-- changes an app, a key, a revocation or a ban can forget it, and it is in the same transaction.
CREATE TABLE changes (
    seq    INTEGER PRIMARY KEY AUTOINCREMENT,
    kind   TEXT    NOT NULL CHECK (kind IN ('app', 'key', 'revocation', 'ban', 'admin', 'master_key')),
    app_id INTEGER NOT NULL,
    id     TEXT    NOT NULL
) STRICT;

CREATE TRIGGER apps_insert AFTER INSERT ON apps BEGIN
    INSERT INTO changes (kind, app_id, id) VALUES ('app', NEW.app_id, '');
END;
CREATE TRIGGER apps_update AFTER UPDATE ON apps BEGIN
    INSERT INTO changes (kind, app_id, id) VALUES ('app', NEW.app_id, '');
END;
CREATE TRIGGER apps_delete AFTER DELETE ON apps BEGIN
    INSERT INTO changes (kind, app_id, id) VALUES ('app', OLD.app_id, '');
END;

CREATE TRIGGER revocations_insert AFTER INSERT ON revocations BEGIN
    INSERT INTO changes (kind, app_id, id) VALUES ('revocation', NEW.app_id, NEW.revocation_id);
END;
CREATE TRIGGER revocations_update AFTER UPDATE ON revocations BEGIN
    INSERT INTO changes (kind, app_id, id) VALUES ('revocation', NEW.app_id, NEW.revocation_id);
END;

CREATE TRIGGER bans_insert AFTER INSERT ON bans BEGIN
    INSERT INTO changes (kind, app_id, id) VALUES ('ban', NEW.app_id, NEW.ban_id);
END;
CREATE TRIGGER bans_update AFTER UPDATE ON bans BEGIN
    INSERT INTO changes (kind, app_id, id) VALUES ('ban', NEW.app_id, NEW.ban_id);
END;
CREATE TRIGGER bans_delete AFTER DELETE ON bans BEGIN
    INSERT INTO changes (kind, app_id, id) VALUES ('ban', OLD.app_id, OLD.ban_id);
END;

CREATE TRIGGER admins_insert AFTER INSERT ON admins BEGIN
    INSERT INTO changes (kind, app_id, id) VALUES ('admin', 0, NEW.admin_id);
END;
CREATE TRIGGER admins_update AFTER UPDATE OF version ON admins BEGIN
    INSERT INTO changes (kind, app_id, id) VALUES ('admin', 0, NEW.admin_id);
END;
CREATE TRIGGER admins_delete AFTER DELETE ON admins BEGIN
    INSERT INTO changes (kind, app_id, id) VALUES ('admin', 0, OLD.admin_id);
END;

CREATE TRIGGER meta_update AFTER UPDATE ON meta WHEN NEW.name = 'sealed_with' BEGIN
    INSERT INTO changes (kind, app_id, id) VALUES ('master_key', 0, '');
END;

-- A key without an app is an operator's: it administers every app.
CREATE TABLE backend_keys_of_any_app (
    key_id       TEXT PRIMARY KEY,
    app_id       INTEGER REFERENCES apps (app_id) ON DELETE CASCADE,
    hash         BLOB    NOT NULL CHECK (length(hash) = 32),
    name         TEXT    NOT NULL,
    scope        TEXT    NOT NULL CHECK (json_valid(scope)),
    expire_at    INTEGER,
    last_used_at INTEGER,
    created_at   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO backend_keys_of_any_app
    SELECT key_id, app_id, hash, name, scope, expire_at, last_used_at, created_at FROM backend_keys;
DROP TABLE backend_keys;
ALTER TABLE backend_keys_of_any_app RENAME TO backend_keys;
CREATE INDEX backend_keys_app ON backend_keys (app_id);

CREATE TRIGGER backend_keys_insert AFTER INSERT ON backend_keys BEGIN
    INSERT INTO changes (kind, app_id, id) VALUES ('key', coalesce(NEW.app_id, 0), NEW.key_id);
END;
CREATE TRIGGER backend_keys_update AFTER UPDATE OF hash, name, scope, expire_at ON backend_keys BEGIN
    INSERT INTO changes (kind, app_id, id) VALUES ('key', coalesce(NEW.app_id, 0), NEW.key_id);
END;
CREATE TRIGGER backend_keys_delete AFTER DELETE ON backend_keys BEGIN
    INSERT INTO changes (kind, app_id, id) VALUES ('key', coalesce(OLD.app_id, 0), OLD.key_id);
END;

-- A reset AppSign goes on proving logins until its date.
ALTER TABLE apps ADD COLUMN previous_app_sign BLOB;
ALTER TABLE apps ADD COLUMN previous_app_sign_until INTEGER;

-- A secret for CBC formats seals nothing else. `retired_at` marks a secret that an operator has ended early.
ALTER TABLE server_secrets ADD COLUMN purpose TEXT NOT NULL DEFAULT 'gcm' CHECK (purpose IN ('gcm', 'cbc'));
ALTER TABLE server_secrets ADD COLUMN retired_at INTEGER;
DROP INDEX server_secrets_active;
CREATE UNIQUE INDEX server_secrets_active ON server_secrets (app_id, purpose) WHERE valid_until IS NULL;

-- How secrets are used. Not part of the ring: counting changes no app. `mints_reserved` runs ahead of the mints made.
CREATE TABLE secret_uses (
    app_id         INTEGER NOT NULL REFERENCES apps (app_id) ON DELETE CASCADE,
    secret_id      TEXT    NOT NULL,
    used_count     INTEGER NOT NULL DEFAULT 0 CHECK (used_count >= 0),
    last_used_at   INTEGER,
    mints_reserved INTEGER NOT NULL DEFAULT 0 CHECK (mints_reserved >= 0),
    PRIMARY KEY (app_id, secret_id)
) STRICT, WITHOUT ROWID;

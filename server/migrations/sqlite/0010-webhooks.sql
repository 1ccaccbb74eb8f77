-- Where to announce what happens in an app. `enabled` repeats what the settings say, for claims.
CREATE TABLE webhook_endpoints (
    app_id       INTEGER NOT NULL REFERENCES apps (app_id) ON DELETE CASCADE,
    endpoint_id  TEXT    NOT NULL,
    version      INTEGER NOT NULL CHECK (version >= 1),
    settings     TEXT    NOT NULL CHECK (json_valid(settings)),
    enabled      INTEGER NOT NULL CHECK (enabled IN (0, 1)),
    signing_key  BLOB    NOT NULL,
    previous_key BLOB,
    previous_key_until INTEGER CHECK ((previous_key_until IS NOT NULL) = (previous_key IS NOT NULL)),
    dropped      INTEGER NOT NULL DEFAULT 0,
    created_at   INTEGER NOT NULL,
    updated_at   INTEGER NOT NULL,
    PRIMARY KEY (app_id, endpoint_id)
) STRICT, WITHOUT ROWID;

-- What is to be delivered and what was. Ids begin with the time, so their order is that of time. Whoever delivers
-- holds a claim until a moment: then it counts as gone.
CREATE TABLE webhook_deliveries (
    app_id          INTEGER NOT NULL,
    endpoint_id     TEXT    NOT NULL,
    delivery_id     TEXT    NOT NULL,
    event           TEXT    NOT NULL,
    body            TEXT    NOT NULL,
    state           TEXT    NOT NULL CHECK (state IN ('pending', 'delivered', 'failed')),
    tries           INTEGER NOT NULL DEFAULT 0,
    next_attempt_at INTEGER NOT NULL,
    attempts        TEXT    NOT NULL DEFAULT '[]' CHECK (json_valid(attempts)),
    claim_id        TEXT,
    claimed_until   INTEGER NOT NULL DEFAULT 0,
    created_at      INTEGER NOT NULL,
    PRIMARY KEY (app_id, endpoint_id, delivery_id),
    FOREIGN KEY (app_id, endpoint_id) REFERENCES webhook_endpoints (app_id, endpoint_id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE INDEX webhook_deliveries_due ON webhook_deliveries (next_attempt_at) WHERE state = 'pending';
CREATE INDEX webhook_deliveries_pending ON webhook_deliveries (app_id, endpoint_id) WHERE state = 'pending';
CREATE INDEX webhook_deliveries_age ON webhook_deliveries (created_at);

-- In the feed, the endpoints of an app are one record of it.
CREATE TRIGGER webhook_endpoints_insert AFTER INSERT ON webhook_endpoints BEGIN
    INSERT INTO changes (kind, app_id, id) VALUES ('app', NEW.app_id, 'webhooks');
END;
CREATE TRIGGER webhook_endpoints_update AFTER UPDATE OF version ON webhook_endpoints BEGIN
    INSERT INTO changes (kind, app_id, id) VALUES ('app', NEW.app_id, 'webhooks');
END;
CREATE TRIGGER webhook_endpoints_delete AFTER DELETE ON webhook_endpoints BEGIN
    INSERT INTO changes (kind, app_id, id) VALUES ('app', OLD.app_id, 'webhooks');
END;

-- Where to announce what happens in an app. `enabled` repeats what the settings say, for claims.
CREATE TABLE webhook_endpoints (
    app_id       BIGINT  NOT NULL REFERENCES apps (app_id) ON DELETE CASCADE,
    endpoint_id  TEXT COLLATE "C" NOT NULL,
    version      BIGINT  NOT NULL CHECK (version >= 1),
    settings     TEXT    NOT NULL CHECK (settings::json IS NOT NULL),
    enabled      BOOLEAN NOT NULL,
    signing_key  BYTEA   NOT NULL,
    previous_key BYTEA,
    previous_key_until BIGINT CHECK ((previous_key_until IS NOT NULL) = (previous_key IS NOT NULL)),
    dropped      BIGINT  NOT NULL DEFAULT 0,
    created_at   BIGINT  NOT NULL,
    updated_at   BIGINT  NOT NULL,
    PRIMARY KEY (app_id, endpoint_id)
);

-- What is to be delivered and what was. Ids begin with the time, so their order is that of time. Whoever delivers
-- holds a claim until a moment: then it counts as gone.
CREATE TABLE webhook_deliveries (
    app_id          BIGINT NOT NULL,
    endpoint_id     TEXT COLLATE "C" NOT NULL,
    delivery_id     TEXT COLLATE "C" NOT NULL,
    event           TEXT   NOT NULL,
    body            TEXT   NOT NULL,
    state           TEXT   NOT NULL CHECK (state IN ('pending', 'delivered', 'failed')),
    tries           BIGINT NOT NULL DEFAULT 0,
    next_attempt_at BIGINT NOT NULL,
    attempts        TEXT   NOT NULL DEFAULT '[]' CHECK (attempts::json IS NOT NULL),
    claim_id        TEXT,
    claimed_until   BIGINT NOT NULL DEFAULT 0,
    created_at      BIGINT NOT NULL,
    PRIMARY KEY (app_id, endpoint_id, delivery_id),
    FOREIGN KEY (app_id, endpoint_id) REFERENCES webhook_endpoints (app_id, endpoint_id) ON DELETE CASCADE
);

CREATE INDEX webhook_deliveries_due ON webhook_deliveries (next_attempt_at) WHERE state = 'pending';
CREATE INDEX webhook_deliveries_pending ON webhook_deliveries (app_id, endpoint_id) WHERE state = 'pending';
CREATE INDEX webhook_deliveries_age ON webhook_deliveries (created_at);

-- In the feed, the endpoints of an app are one record of it. Otherwise as note_change().
CREATE FUNCTION note_webhook_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('roompass changes', 0));
    INSERT INTO changes (kind, app_id, id)
        VALUES ('app', CASE WHEN TG_OP = 'DELETE' THEN OLD.app_id ELSE NEW.app_id END, 'webhooks');
    PERFORM pg_notify('roompass_changes', '');
    RETURN NULL;
END $$;

CREATE CONSTRAINT TRIGGER webhook_endpoints_change AFTER INSERT OR UPDATE OF version OR DELETE ON webhook_endpoints
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION note_webhook_change();

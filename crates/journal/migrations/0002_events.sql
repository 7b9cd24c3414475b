-- What happened after the acceptance, as providers and bounce reports tell it, and up to where each of
-- them was read.

CREATE TABLE event (
    id          INTEGER PRIMARY KEY,
    identity    BLOB   NOT NULL UNIQUE,
    source      TEXT   NOT NULL,
    kind        TEXT   NOT NULL,
    at          BIGINT,
    seen_at     BIGINT NOT NULL,
    recipient   TEXT   NOT NULL,
    provider_id TEXT,
    tag         TEXT,
    message_id  TEXT,
    reason      TEXT,
    delivery    BIGINT REFERENCES delivery (id),
    attempt     TEXT REFERENCES attempt (id)
);
CREATE INDEX event_by_delivery ON event (delivery);

CREATE TABLE mark (
    source TEXT NOT NULL PRIMARY KEY,
    mark   TEXT NOT NULL
);

CREATE INDEX attempt_by_provider_id ON attempt (provider, provider_id) WHERE provider_id IS NOT NULL;
CREATE INDEX attempt_by_delivery ON attempt (delivery);
CREATE INDEX delivery_by_message_id ON delivery (message_id);

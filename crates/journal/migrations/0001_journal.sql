-- The write-ahead journal. TEXT, BIGINT and BLOB only, so that the same tables fit PostgreSQL.
-- Times are microseconds since 1970, UTC.

CREATE TABLE run (
    id         TEXT   NOT NULL PRIMARY KEY,
    kind       TEXT   NOT NULL CHECK (kind IN ('real', 'outbox', 'test')),
    state      TEXT   NOT NULL CHECK (state IN ('running', 'waiting', 'paused', 'interrupted', 'finished', 'cancelled')),
    slug       TEXT   NOT NULL,
    release    TEXT   NOT NULL,
    digest     BLOB   NOT NULL,
    frozen     TEXT   NOT NULL,
    route      TEXT   NOT NULL,
    left_out   TEXT   NOT NULL,
    settings   TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    ended_at   BIGINT,
    note       TEXT
);
CREATE INDEX run_by_slug ON run (slug);

CREATE TABLE asset (
    run      TEXT   NOT NULL REFERENCES run (id),
    position BIGINT NOT NULL,
    name     TEXT   NOT NULL,
    content  BLOB   NOT NULL,
    PRIMARY KEY (run, position)
);

CREATE TABLE delivery (
    id                 INTEGER PRIMARY KEY,
    run                TEXT   NOT NULL REFERENCES run (id),
    kind               TEXT   NOT NULL,
    digest             BLOB   NOT NULL,
    recipient_key      TEXT   NOT NULL,
    address            TEXT   NOT NULL,
    tier               BIGINT NOT NULL,
    position           BIGINT NOT NULL,
    fields             TEXT   NOT NULL,
    message_id         TEXT   NOT NULL,
    state              TEXT   NOT NULL CHECK (state IN ('pending', 'intent', 'accepted', 'refused', 'held', 'unknown', 'suppressed', 'cancelled', 'written')),
    not_before         BIGINT,
    fence              BIGINT NOT NULL DEFAULT 0,
    transient_refusals BIGINT NOT NULL DEFAULT 0,
    avoid              TEXT   NOT NULL DEFAULT '[]',
    attempts           BIGINT NOT NULL DEFAULT 0,
    provider           TEXT,
    provider_id        TEXT,
    reply              TEXT,
    bad_address        BIGINT NOT NULL DEFAULT 0,
    at                 BIGINT,
    UNIQUE (run, recipient_key)
);
-- One release reaches one recipient through one run only.
CREATE UNIQUE INDEX delivery_once ON delivery (digest, recipient_key)
    WHERE kind = 'real' AND state IN ('pending', 'intent', 'accepted', 'held', 'unknown');
CREATE INDEX delivery_in_order ON delivery (run, tier, position);
CREATE INDEX delivery_by_state ON delivery (run, state, tier, position);
CREATE INDEX delivery_by_time ON delivery (run, state, not_before);

CREATE TABLE attempt (
    id              TEXT   NOT NULL PRIMARY KEY,
    delivery        BIGINT NOT NULL REFERENCES delivery (id),
    number          BIGINT NOT NULL,
    provider        TEXT   NOT NULL,
    state           TEXT   NOT NULL CHECK (state IN ('intent', 'accepted', 'not_accepted', 'refused', 'held', 'unknown', 'superseded', 'written')),
    request_id      TEXT   NOT NULL,
    idempotency_key TEXT   NOT NULL,
    request_digest  BLOB,
    blames          TEXT,
    reply           TEXT,
    provider_id     TEXT,
    started_at      BIGINT NOT NULL,
    ended_at        BIGINT,
    UNIQUE (delivery, number)
);
-- The database itself refuses a second open or successful attempt.
CREATE UNIQUE INDEX attempt_once ON attempt (delivery)
    WHERE state IN ('intent', 'accepted', 'held', 'unknown');

CREATE TABLE usage (
    provider TEXT   NOT NULL,
    second   BIGINT NOT NULL,
    count    BIGINT NOT NULL,
    PRIMARY KEY (provider, second)
);
CREATE TABLE usage_last (
    provider TEXT   NOT NULL PRIMARY KEY,
    at       BIGINT NOT NULL
);

CREATE TABLE breaker (
    provider      TEXT   NOT NULL PRIMARY KEY,
    config_digest BLOB   NOT NULL,
    open_since    BIGINT,
    reason        TEXT,
    trouble       TEXT,
    resting_until BIGINT
);

CREATE TABLE suppression (
    recipient_key TEXT   NOT NULL PRIMARY KEY,
    reason        TEXT   NOT NULL,
    source        TEXT   NOT NULL,
    quarantined   BIGINT NOT NULL,
    at            BIGINT NOT NULL
);

CREATE TABLE audit (
    id     INTEGER PRIMARY KEY,
    at     BIGINT NOT NULL,
    run    TEXT,
    action TEXT   NOT NULL,
    detail TEXT   NOT NULL
);

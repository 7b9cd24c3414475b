-- What the receiving half needs: the delivery behind an opt-out link, people who are to be forgotten, and
-- outages that a person declared.

-- The first 16 octets of the SHA-256 of the Message-ID; deliveries of before have none, and no such link.
ALTER TABLE delivery ADD COLUMN reference BLOB;
CREATE INDEX delivery_by_reference ON delivery (reference) WHERE reference IS NOT NULL;

-- What the journal keeps for itself: `forgotten` is the key of the hashes under which forgotten people stand.
CREATE TABLE state (
    name  TEXT NOT NULL PRIMARY KEY,
    value BLOB NOT NULL
);

CREATE TABLE outage (
    provider    TEXT   NOT NULL,
    since       BIGINT NOT NULL,
    until       BIGINT,
    reason      TEXT   NOT NULL,
    declared_at BIGINT NOT NULL,
    PRIMARY KEY (provider, since)
);

-- A Message-ID is random, so its index was written all over for every recipient of a list. The reference is made
-- of the Message-ID and has an index already: it finds both. Deliveries of before there were references keep
-- an index by Message-ID.

DROP INDEX delivery_by_message_id;
CREATE INDEX delivery_by_message_id ON delivery (message_id) WHERE reference IS NULL;

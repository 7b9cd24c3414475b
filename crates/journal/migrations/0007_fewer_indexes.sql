-- Every change of a delivery's state rewrote two whole indexes. Now a delivery on its way moves through
-- small ones alone: pending, open, ended.

DROP INDEX delivery_by_state;
DROP INDEX delivery_by_time;
CREATE INDEX delivery_pending ON delivery (run, tier, position) WHERE state = 'pending';
CREATE INDEX delivery_waiting ON delivery (run, not_before) WHERE state = 'pending' AND not_before IS NOT NULL;
CREATE INDEX delivery_open ON delivery (run) WHERE state = 'intent';
CREATE INDEX delivery_ended ON delivery (run, state, provider) WHERE state NOT IN ('pending', 'intent');
CREATE INDEX delivery_bad ON delivery (run) WHERE bad_address = 1;

-- the highest first, then the oldest
ALTER TABLE job ADD COLUMN priority INTEGER NOT NULL DEFAULT 0;
-- ends from outside, and crashes above: both since furthest
ALTER TABLE job ADD COLUMN kills INTEGER NOT NULL DEFAULT 0;
-- the last step that any attempt reached
ALTER TABLE job ADD COLUMN furthest INTEGER NOT NULL DEFAULT 0;
-- rises while a worker is alive on it; no clock needed
ALTER TABLE job ADD COLUMN beats INTEGER NOT NULL DEFAULT 0;
-- bytes by the estimate before it was taken; 0: not known
ALTER TABLE job ADD COLUMN memory INTEGER NOT NULL DEFAULT 0;
ALTER TABLE job ADD COLUMN disk INTEGER NOT NULL DEFAULT 0;
-- the order in which jobs ended, whatever the clock did
ALTER TABLE job ADD COLUMN ended INTEGER;
-- when retention removed what it wrote
ALTER TABLE job ADD COLUMN removed REAL;
UPDATE job SET ended = id WHERE status IN ('done', 'failed', 'cancelled');
DROP INDEX job_by_status;
CREATE INDEX job_by_turn ON job (status, priority DESC, id);
CREATE INDEX job_by_end ON job (ended)

-- What failed last in each subscription, as JSON.
ALTER TABLE kairo_subscription ADD COLUMN failure TEXT;

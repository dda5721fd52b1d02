-- What the engine's benchmark needs in its database.

CREATE SCHEMA bench;
SELECT asyncjob.create_queue('warm');
SELECT asyncjob.create_queue('blocked');
SELECT asyncjob.create_queue('limited', max_running => 0);
SELECT asyncjob.create_queue('mixed' || i) FROM generate_series(0, 9) i;

-- 100 bytes of JSON
CREATE FUNCTION bench.params() RETURNS jsonb IMMUTABLE LANGUAGE sql AS
$$ SELECT jsonb_build_object('k', repeat('x', 91)) $$;
DO $$ BEGIN ASSERT length(bench.params()::text) = 100; END $$;

-- The same table for the hand-written loop and for the bare INSERT.
CREATE TABLE bench.job (LIKE asyncjob.job INCLUDING ALL);
DO $$
DECLARE
    options text := (SELECT array_to_string(reloptions, ', ') FROM pg_class
                     WHERE oid = 'asyncjob.job'::regclass);
BEGIN
    IF options <> '' THEN
        EXECUTE format('ALTER TABLE bench.job SET (%s)', options);
    END IF;
    ASSERT (SELECT count(*) FROM pg_index WHERE indrelid = 'bench.job'::regclass)
         = (SELECT count(*) FROM pg_index WHERE indrelid = 'asyncjob.job'::regclass);
END $$;

CREATE PROCEDURE bench.claim_loop(batch integer, INOUT jobs bigint)
    LANGUAGE c AS 'bench_loop', 'claim_loop';
CREATE FUNCTION bench.step_progress(jsonb) RETURNS jsonb
    LANGUAGE c AS 'bench_loop', 'step_progress';
SELECT asyncjob.create_pipeline('bench_progress',
    '[{"name": "progress", "handler": "bench.step_progress"}]');

-- Nanoseconds that this process has had a processor.
CREATE FUNCTION bench.cpu_ns() RETURNS bigint VOLATILE LANGUAGE sql AS
$$ SELECT split_part(pg_read_file('/proc/self/schedstat'), ' ', 1)::bigint $$;

-- Queue n jobs, 10,000 a transaction.
CREATE PROCEDURE bench.fill(n integer, queue text DEFAULT 'default',
                            priority text DEFAULT '5', delay interval DEFAULT NULL,
                            pipeline text DEFAULT 'noop')
LANGUAGE plpgsql AS $$
BEGIN
    WHILE n > 0 LOOP
        PERFORM count(*) FROM asyncjob.submit_many(pipeline,
            array_fill(bench.params(), ARRAY[least(n, 10000)]), queue => queue,
            priority => priority, run_at => clock_timestamp() + delay);
        COMMIT;
        n := n - 10000;
    END LOOP;
END $$;

-- The same one by one, in ten queues, at any priority; one in twenty fails
-- when it is tried first.
CREATE PROCEDURE bench.fill_mixed(n integer)
LANGUAGE plpgsql AS $$
BEGIN
    FOR i IN 1..n LOOP
        PERFORM asyncjob.submit(
            CASE WHEN random() < 0.05 THEN 'bench_flaky' ELSE 'noop' END,
            bench.params(), queue => 'mixed' || floor(random() * 10),
            priority => floor(random() * 11)::text);
        IF i % 10000 = 0 THEN
            COMMIT;
        END IF;
    END LOOP;
END $$;

CREATE FUNCTION bench.flaky(p jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    IF asyncjob.attempt() = 1 THEN
        RAISE EXCEPTION 'the first attempt fails';
    END IF;
    RETURN p;
END $$;
SELECT asyncjob.create_pipeline('bench_flaky',
    '[{"name": "flaky", "handler": "bench.flaky", "backoff": ["10ms"]}]');

-- One row by each job, in a transaction of its own.
CREATE TABLE bench.effect (job_id bigint, at timestamptz);
CREATE FUNCTION bench.insert_one(p jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO bench.effect VALUES (asyncjob.current_job(), clock_timestamp());
    RETURN p;
END $$;
SELECT asyncjob.create_pipeline('bench_insert',
    '[{"name": "insert", "handler": "bench.insert_one"}]');

-- How long it took from "sent" to here.
CREATE FUNCTION bench.stamp(p jsonb) RETURNS jsonb LANGUAGE sql VOLATILE AS $$
    SELECT jsonb_build_object('pid', pg_backend_pid(), 'us', 1000000 *
        extract(epoch FROM clock_timestamp() - (p ->> 'sent')::timestamptz))
$$;
SELECT asyncjob.create_pipeline('bench_stamp',
    '[{"name": "stamp", "handler": "bench.stamp"}]');

CREATE TABLE bench.heard (us bigint, payload text);

-- When a submit's commit had returned to its client.  Unlogged, so that
-- noting it waits for no disk.
CREATE UNLOGGED TABLE bench.urgent (id bigint, committed_at timestamptz);

# What waits, and what runs beside each other, survives crashes and restarts:
# a sleep, waits for events that come before, during and after, branches, a
# procedure between two checkpoints.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use AsyncJobTest;
use Test::More;

my $node = aj_node('main', conf => "max_prepared_transactions = 1\n");

$node->safe_psql('postgres', <<'SQL');
CREATE TABLE did (job bigint, what text);
CREATE PROCEDURE two_parts(INOUT p jsonb) LANGUAGE plpgsql AS $$
BEGIN
    IF asyncjob.checkpoint('first') IS NULL THEN
        INSERT INTO did VALUES (asyncjob.current_job(), 'first');
        PERFORM asyncjob.checkpoint('first', '1');
        COMMIT;
    END IF;
    INSERT INTO did VALUES (asyncjob.current_job(), 'second');
    PERFORM asyncjob.progress(0.5, 'at the gate');
    WHILE NOT (SELECT open FROM gate) LOOP
        PERFORM pg_sleep(0.01);
    END LOOP;
    COMMIT;
    INSERT INTO did VALUES (asyncjob.current_job(), 'third');
END $$;
CREATE FUNCTION sleeps(p jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    PERFORM asyncjob.sleep('nap', (p ->> 'nap')::interval);
    INSERT INTO did VALUES (asyncjob.current_job(), 'slept');
    RETURN '"slept"';
END $$;
CREATE FUNCTION waits(p jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    e jsonb := asyncjob.wait_for_event('go', p ->> 'key');
BEGIN
    INSERT INTO did VALUES (asyncjob.current_job(), 'went');
    RETURN e;
END $$;
SELECT asyncjob.create_pipeline('two_parts', '[{"name": "a", "handler": "public.two_parts", "max_attempts": 1}]');
SELECT asyncjob.create_pipeline('sleeps', '[{"name": "a", "handler": "public.sleeps", "max_attempts": 1}]');
SELECT asyncjob.create_pipeline('waits', '[{"name": "a", "handler": "public.waits", "max_attempts": 1}]');
SELECT asyncjob.create_pipeline('diamond', '[
    {"name": "a", "handler": "public.quick"},
    {"name": "b", "handler": "public.gated", "after": ["a"], "max_attempts": 1},
    {"name": "c", "handler": "public.quick", "after": ["a"]},
    {"name": "d", "handler": "public.quick", "after": ["b", "c"]}]');
SQL

sub did
{
	my ($id) = @_;

	return $node->safe_psql('postgres',
		"SELECT coalesce(string_agg(what, ' ' ORDER BY what), '') FROM did WHERE job = $id");
}

sub waiting
{
	my ($id) = @_;

	return aj_until($node, "job $id to wait", "SELECT state = 'waiting' FROM asyncjob.status($id)");
}

my $long = aj_submit($node, 'sleeps', params => '{"nap": "1 hour"}');
my $short = aj_submit($node, 'sleeps', params => '{"nap": "2 s"}');
$node->safe_psql('postgres', q{SELECT asyncjob.emit('go', '"before"', 'b')});
my $before = aj_submit($node, 'waits', params => '{"key": "b"}', args => "run_at => now() + '1 hour'");
my $during = aj_submit($node, 'waits', params => '{"key": "d"}');
my $after = aj_submit($node, 'waits', params => '{"key": "a"}');
my $plain = aj_submit($node, 'waits', params => '{}');
waiting($_) for $long, $short, $during, $after, $plain;
my $parts = aj_submit($node, 'two_parts');
ok(aj_in_step($node, $parts), 'a procedure has committed its first part');
my $diamond = aj_submit($node, 'diamond');
ok( aj_until($node, 'branches',
		"SELECT count(*) = 1 FROM asyncjob.steps($diamond) WHERE name = 'b' AND state = 'running' AND progress = 0.5"),
	'a branch runs');
ok( aj_until($node, 'the other branch',
		"SELECT state = 'completed' FROM asyncjob.steps($diamond) WHERE name = 'c'"),
	'the other one is done');
is($node->safe_psql('postgres', "SELECT asyncjob.step_result($diamond, 'c')"),
	'{"quick": true}', 'its result is there while the first runs');

# the event comes while the server is about to crash
$node->safe_psql('postgres', q{SELECT asyncjob.emit('go', '"during"', 'd')});
$node->stop('immediate');
$node->start;

is(aj_wait($node, $during), 'completed', 'the event from before the crash was not lost');
is(did($during), 'went', 'and came once');
is(aj_wait($node, $short), 'completed', 'a sleep ends in time after the crash');
is(did($short), 'slept', 'and its job went on once');
is(aj_status($node, $_, 'state'), 'waiting', 'what waits still waits') for $long, $after;
is(aj_wait($node, $plain), 'completed', 'who waits for any occurrence had that one, too');
$node->safe_psql('postgres', q{SELECT asyncjob.emit('go', '"after"', 'a')});
is(aj_wait($node, $after), 'completed', 'an event after the crash is heard');
is($node->safe_psql('postgres', "UPDATE asyncjob.job SET run_at = now() WHERE id = $before; SELECT asyncjob.reprioritize($before, 10)"),
	't', 'the job that comes late is due');
is(aj_wait($node, $before), 'completed', 'an event from before the crash is kept');
is($node->safe_psql('postgres', "SELECT asyncjob.result($before)"), '"before"', 'with its payload');

ok(aj_in_step($node, $parts), 'the procedure runs again');
is(did($parts), 'first', 'its first part was not run again');
my $killed = $node->safe_psql('postgres',
	"SELECT count(pg_terminate_backend(pid)) FROM asyncjob.workers() WHERE job_id IS NOT NULL");
cmp_ok($killed, '>=', 1, 'workers are terminated');
ok(aj_in_step($node, $parts), 'the procedure runs once more');
aj_gate($node, 1);
is(aj_wait($node, $parts), 'completed', 'it completes');
is(did($parts), 'first second third', 'each part took effect once');

is(aj_wait($node, $diamond), 'completed', 'the diamond completes');
is( $node->safe_psql('postgres',
		"SELECT string_agg(step || ' ' || n, ', ' ORDER BY step) FROM (SELECT step, count(*) n FROM effects WHERE job = $diamond GROUP BY 1) e"),
	'gated 1, quick 3', 'each of its steps took effect once');
is($node->safe_psql('postgres', 'SELECT count(*) FROM asyncjob.job WHERE item_no IS NOT NULL'),
	0, 'none of its branches is left');

is(aj_status($node, $long, 'state'), 'waiting', 'the long sleep goes on');

# A prepared transaction tells nobody what it has done, and the next that is to
# be woken is an hour away.
my $prepared = aj_submit($node, 'waits', params => '{"key": "p"}');
waiting($prepared);
$node->safe_psql('postgres', q{
	BEGIN; SELECT asyncjob.emit('go', '"prepared"', 'p'); PREPARE TRANSACTION 'emits'; COMMIT PREPARED 'emits'});
is(aj_wait($node, $prepared), 'completed', 'a prepared event is found at a poll');
$node->safe_psql('postgres', "SELECT asyncjob.cancel($long)");
is(aj_wait($node, $long), 'cancelled', 'until it is cancelled');

# An optional step's failure doesn't hide that somebody cancelled the job.
$node->safe_psql('postgres', <<'SQL');
CREATE FUNCTION stubborn(p jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    PERFORM asyncjob.progress(0.5, 'at the gate');
    PERFORM pg_sleep(1000);
    RETURN NULL;
EXCEPTION WHEN query_canceled THEN
    RAISE EXCEPTION 'I do not stop, I fail';
END $$;
SELECT asyncjob.create_pipeline('stubborn', '[
    {"name": "a", "handler": "public.stubborn", "optional": true, "max_attempts": 1}]');
SQL
my $stubborn = $node->safe_psql('postgres', "SELECT asyncjob.submit('stubborn')");
ok(aj_in_step($node, $stubborn), 'a handler that takes no cancel runs');
$node->safe_psql('postgres', "SELECT asyncjob.cancel($stubborn)");
is(aj_wait($node, $stubborn), 'cancelled', 'its job is cancelled though the step may fail');

# Jobs that end at once after a restart, before the coordinator's second round,
# which a prepared transaction holds up: their ends are events, too.
$node->safe_psql('postgres', <<'SQL');
SELECT asyncjob.on_event('quick-completed', 'noop');
ALTER SYSTEM SET asyncjob.enabled = off;
SELECT pg_reload_conf();
SQL
aj_until($node, 'the engine to rest',
	"SELECT current_setting('asyncjob.enabled') = 'off' AND NOT EXISTS (SELECT FROM asyncjob.workers())");
$node->safe_psql('postgres', <<'SQL');
SELECT asyncjob.submit('quick') FROM generate_series(1, 20);
BEGIN;
LOCK TABLE asyncjob.alarm;
PREPARE TRANSACTION 'chores';
ALTER SYSTEM RESET asyncjob.enabled;
SQL
$node->restart;
ok( aj_until($node, 'the jobs to end',
		"SELECT NOT EXISTS (SELECT FROM asyncjob.job j JOIN asyncjob.pipeline p ON p.id = j.pipeline_id WHERE p.name = 'quick' AND j.state <> 'completed')"),
	'jobs end before the coordinator has looked at events');
$node->safe_psql('postgres', "ROLLBACK PREPARED 'chores'");
ok( aj_until($node, 'what follows from them',
		"SELECT count(*) = 20 FROM asyncjob.job j JOIN asyncjob.pipeline p ON p.id = j.pipeline_id WHERE p.name = 'noop' AND j.state = 'completed'"),
	'who subscribed is told of each');

$node->stop;
done_testing();

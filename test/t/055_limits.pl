# Limits hold whatever happens: many jobs under limits of all kinds, while
# workers are terminated and killed at random.  The handlers themselves see
# whether there are too many of them.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use AsyncJobTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $jobs = $ENV{AJ_LIMIT_JOBS} // 1000;
my $kills = $ENV{AJ_LIMIT_KILLS} // 3;
my $node = aj_node('limits', conf => "asyncjob.max_workers = 6\nrestart_after_crash = on\n");

aj_role($node, 'app');
$node->safe_psql('postgres', <<'SQL');
CREATE TABLE done (job bigint, key text);
GRANT INSERT, SELECT ON done TO app;
-- one at a time of each key
CREATE FUNCTION alone(a jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    IF NOT pg_try_advisory_xact_lock(1, hashtext(a ->> 'key')) THEN
        RAISE EXCEPTION 'two jobs of key %', a ->> 'key' USING ERRCODE = 'AJ001';
    END IF;
    INSERT INTO public.done VALUES (asyncjob.current_job(), a ->> 'key');
    PERFORM pg_sleep(0.005 * random());
    RETURN a;
END $$;
-- three at a time in all
CREATE FUNCTION of_three(a jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    IF NOT (pg_try_advisory_xact_lock(2, 1) OR pg_try_advisory_xact_lock(2, 2) OR pg_try_advisory_xact_lock(2, 3)) THEN
        RAISE EXCEPTION 'more than three' USING ERRCODE = 'AJ001';
    END IF;
    INSERT INTO public.done VALUES (asyncjob.current_job(), 'three');
    PERFORM pg_sleep(0.005 * random());
    RETURN a;
END $$;
GRANT EXECUTE ON FUNCTION alone(jsonb), of_three(jsonb) TO app;
SELECT asyncjob.create_pipeline('alone', '[{"name": "a", "handler": "public.alone"}]');
SELECT asyncjob.create_pipeline('of_three', '[{"name": "a", "handler": "public.of_three"}]');
SELECT asyncjob.grant_pipeline(p, 'app') FROM unnest('{alone,of_three}'::text[]) p;
SELECT asyncjob.create_queue('keys', max_running_per_key => 1);
SELECT asyncjob.create_queue('three', max_running => 3);
SELECT asyncjob.create_queue('rate', rate_limit => 20, rate_interval => '1 s');
SELECT asyncjob.create_queue('turns', fair => true);
SELECT asyncjob.create_queue('blocked', max_running => 0);
SQL

# Several sessions submit at once.
my @sessions = map { $node->background_psql('postgres', extra_params => [ '-U', 'app' ]) } 1 .. 2;
my $half = $jobs / 2;
$sessions[0]->query_until(qr/sent/, <<SQL);
SELECT count(asyncjob.submit('alone', jsonb_build_object('key', n % 50), queue => 'keys', concurrency_key => (n % 50)::text)) FROM generate_series(1, $jobs) n;
\\echo sent
SQL
$sessions[1]->query_until(qr/sent/, <<SQL);
SELECT count(asyncjob.submit('of_three', '{}', queue => 'three')) FROM generate_series(1, $half) n;
SELECT count(asyncjob.submit('quick', '{}', queue => 'rate')) FROM generate_series(1, 50) n;
\\echo sent
SQL

$_->quit foreach @sessions;

# Workers die, by SIGTERM and, with the whole server, by SIGKILL.
my $unfinished = "SELECT count(*) FROM asyncjob.job WHERE state IN ('queued', 'running', 'waiting')";
for my $round (1 .. $kills)
{
	for (1 .. 5)
	{
		$node->safe_psql('postgres', <<'SQL');
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'asyncjob worker' ORDER BY random() LIMIT 1
SQL
		$node->safe_psql('postgres', 'SELECT pg_sleep(0.05 * random())');
	}
	my ($victim) = aj_pids($node, 'worker');
	last unless defined $victim;
	kill 'KILL', $victim;
	ok(aj_until($node, 'the server to come back', 'SELECT true'), "round $round: a worker was killed");
}
ok(aj_until($node, 'all jobs to end', "SELECT ($unfinished) = 0"), 'all jobs end');
is($node->safe_psql('postgres', "SELECT count(*), min(error ->> 'message') FROM asyncjob.job WHERE state <> 'completed'"),
	'0|', 'and all of them well: never too many at once');
is( $node->safe_psql('postgres',
		"SELECT count(*), count(DISTINCT job) FROM done"),
	($jobs + $half) . '|' . ($jobs + $half), 'none was lost, each took effect once');
is( $node->safe_psql('postgres', "SELECT count(*) FROM asyncjob.place p JOIN asyncjob.job j ON j.id = p.job_id WHERE j.state NOT IN ('completed')"),
	0, 'no place is held by nobody');
cmp_ok(
	$node->safe_psql('postgres', <<'SQL'), '<=', 20, 'no second saw more starts than the rate allows');
SELECT max(n) FROM (SELECT count(*) OVER (ORDER BY started_at RANGE BETWEEN CURRENT ROW AND '999 ms' FOLLOWING) AS n
    FROM asyncjob.job WHERE queue_id = (SELECT id FROM asyncjob.queue WHERE name = 'rate')) s
SQL

# A user with one job, behind another's many.
my $many = $jobs * 10;
$node->safe_psql('postgres', "SELECT count(*) FROM asyncjob.submit_many('noop', array_fill('1'::jsonb, ARRAY[$many]), queue => 'turns', user_id => 'ann')",
	extra_params => [ '-U', 'app' ]);
my $id = aj_submit($node, 'noop', as => 'app', args => "queue => 'turns', user_id => 'bob'");
is(aj_wait($node, $id), 'completed', 'a user with one job gets his turn');
cmp_ok(aj_status($node, $id, 'extract(epoch FROM started_at - created_at)'), '<', 1, 'within a second');
my $before = $node->safe_psql('postgres', "SELECT count(*) FROM asyncjob.job WHERE user_id = 'ann' AND state = 'completed'");
note("$before of $many jobs of the other user had ended");
ok(aj_until($node, 'all turns', "SELECT ($unfinished) = 0"), 'and the other one all of his');
note('turns: ' . $node->safe_psql('postgres', "SELECT round($many / extract(epoch FROM max(finished_at) - min(started_at))) FROM asyncjob.job WHERE user_id = 'ann'") . ' jobs/s');

# The same where jobs take their time, and the other's are more urgent.
my $slow = $jobs;
ok(aj_until($node, 'a rest', "SELECT clock_timestamp() - max(finished_at) > '200 ms' FROM asyncjob.job"), 'nothing happens for a while');
$node->safe_psql('postgres', <<'SQL');
CREATE FUNCTION slow(a jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.03); RETURN a; END $$;
GRANT EXECUTE ON FUNCTION slow(jsonb) TO app;
SELECT asyncjob.create_pipeline('slow', '[{"name": "a", "handler": "public.slow"}]');
SELECT asyncjob.create_pipeline('slow_branches', '[{"name": "a", "handler": "public.slow", "after": []}, {"name": "b", "handler": "public.slow", "after": []}]');
SELECT asyncjob.grant_pipeline(p, 'app') FROM unnest('{slow,slow_branches}'::text[]) p;
SQL
$node->safe_psql('postgres', "SELECT count(*) FROM asyncjob.submit_many('slow', array_fill('1'::jsonb, ARRAY[$slow]), queue => 'turns', user_id => 'cat', priority => 'HIGH')",
	extra_params => [ '-U', 'app' ]);
ok(aj_until($node, 'the first ones', "SELECT count(*) >= 20 FROM asyncjob.job WHERE user_id = 'cat' AND state = 'completed'"), 'one user has many slow jobs');
$id = aj_submit($node, 'slow', as => 'app', args => "queue => 'turns', user_id => 'dan', priority => 'LOW'");
my $id2 = aj_submit($node, 'slow_branches', as => 'app', args => "queue => 'turns', user_id => 'eve'");
is(aj_wait($node, $_), 'completed', 'others get their turns') foreach $id, $id2;
cmp_ok(aj_status($node, $id, 'extract(epoch FROM started_at - created_at)'), '<', 2, 'and soon');
cmp_ok(aj_status($node, $id2, 'extract(epoch FROM finished_at - created_at)'), '<', 4, 'also those whose steps run beside each other');
cmp_ok($node->safe_psql('postgres', "SELECT count(*) FROM asyncjob.job WHERE user_id = 'cat' AND state <> 'completed'"), '>', 0, 'while the many are under way');
ok(aj_until($node, 'all turns', "SELECT ($unfinished) = 0"), 'which end, too');
note('slow ones: ' . $node->safe_psql('postgres', "SELECT round($slow / extract(epoch FROM max(finished_at) - min(started_at))) FROM asyncjob.job WHERE user_id = 'cat'") . ' jobs/s');

# What is blocked is nobody's burden, and goes when it may.
$node->safe_psql('postgres', "SELECT count(*) FROM asyncjob.submit_many('noop', array_fill('1'::jsonb, ARRAY[$many]), queue => 'blocked')",
	extra_params => [ '-U', 'app' ]);
$id = aj_submit($node, 'quick', as => 'app');
is(aj_wait($node, $id), 'completed', 'a job of another queue passes the blocked ones');
is($node->safe_psql('postgres', "SELECT count(*) FROM asyncjob.job WHERE state = 'waiting'"), $many, 'which wait');
$node->safe_psql('postgres', "SELECT asyncjob.alter_queue('blocked', max_running => 4)");
ok(aj_until($node, 'blocked jobs', "SELECT ($unfinished) = 0"), 'until there is room');
note('max_running 4: ' . $node->safe_psql('postgres', "SELECT round($many / extract(epoch FROM max(finished_at) - min(started_at))) FROM asyncjob.job WHERE queue_id = (SELECT id FROM asyncjob.queue WHERE name = 'blocked')") . ' jobs/s');
$node->stop;
done_testing();

# Jobs that become ready together are begun together, by as many workers as
# there may be, whoever announces them and however many: an idle worker that is
# woken takes one of them.  And who sleeps is woken.  The coordinator's poll is an
# hour away.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use AsyncJobTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = aj_node('wake', conf => "asyncjob.max_workers = 4\nasyncjob.poll_interval = 1h\nasyncjob.worker_idle_timeout = 1h\n");
aj_role($node, 'app');
$node->safe_psql('postgres', <<'SQL');
SELECT asyncjob.create_queue('held');
SELECT asyncjob.pause_queue('held');
SELECT asyncjob.create_pipeline('alone', '[{"name": "alone", "handler": "public.gated", "max_attempts": 1}]');
SELECT asyncjob.create_pipeline('items', '[{"name": "each", "handler": "public.gated", "for_each": "$.params.items[*]", "max_attempts": 1}]');
SELECT asyncjob.create_pipeline('fork', '[{"name": "a", "handler": "public.gated"}, {"name": "b", "handler": "public.gated", "after": []},
    {"name": "c", "handler": "public.gated", "after": []}]');
SELECT asyncjob.grant_pipeline(p, 'app') FROM unnest('{alone,items,fork}'::text[]) p;
SQL

# One worker at least is idle before each of these, and three must run.
my @cases = (
	[ 'submit() thrice in a statement', q(SELECT asyncjob.submit('alone') FROM generate_series(1, 3)) ],
	[ 'submit() thrice in a transaction, at other priorities',
		q(BEGIN; SELECT asyncjob.submit('alone'); SELECT asyncjob.submit('alone', priority => '9'); SELECT asyncjob.submit('alone', priority => '2'); COMMIT) ],
	[ 'three submit()s', q(SELECT asyncjob.submit('alone'); SELECT asyncjob.submit('alone'); SELECT asyncjob.submit('alone')) ],
	[ 'submit_many()', q(SELECT asyncjob.submit_many('alone', array_fill('{}'::jsonb, ARRAY[3]))) ],
	[ 'items', q(SELECT asyncjob.submit('items', '{"items": [1, 2, 3]}')) ],
	[ 'steps beside each other', q(SELECT asyncjob.submit('fork')) ],
	[ 'a queue that is resumed', q(SELECT asyncjob.submit_many('alone', array_fill('{}'::jsonb, ARRAY[3]), queue => 'held')), 'held' ],
	[ 'jobs that fall due', q(SELECT asyncjob.submit_many('alone', array_fill('{}'::jsonb, ARRAY[3]), run_at => clock_timestamp() + interval '100 ms')) ],
);
foreach my $case (@cases)
{
	my ($name, $sql, $queue) = @$case;

	aj_gate($node, 1);
	is(aj_wait($node, aj_submit($node, 'quick', as => 'app')), 'completed', "a worker lingers before $name");
	aj_gate($node, 0);
	$node->safe_psql('postgres', 'DELETE FROM effects');
	$node->safe_psql('postgres', $sql, extra_params => [ '-U', 'app' ]);
	$node->safe_psql('postgres', "SELECT asyncjob.resume_queue('$queue')") if $queue;
	ok( aj_until($node, "$name to run at the same time",
			"SELECT count(*) = 3 FROM asyncjob.workers() WHERE state = 'busy' AND step_progress = 0.5"),
		"$name run at the same time");
	aj_gate($node, 1);
	ok( aj_until($node, "$name to end", "SELECT NOT EXISTS (SELECT FROM asyncjob.job WHERE state NOT IN ('completed', 'failed'))"),
		"$name end");
}

# Two begin to sleep in one transaction, and the first is due when that commits.
$node->safe_psql('postgres', <<'SQL');
CREATE FUNCTION naps(p jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    PERFORM asyncjob.sleep('nap', (p ->> 'nap')::interval);
    RETURN '"slept"';
END $$;
SELECT asyncjob.create_pipeline('naps', '[{"name": "a", "handler": "public.naps", "max_attempts": 1}]');
BEGIN;
SET LOCAL asyncjob.synchronous = on;
SELECT asyncjob.submit('naps', '{"nap": "50 ms"}');
SELECT asyncjob.submit('naps', '{"nap": "500 ms"}');
SELECT pg_sleep(0.1);
COMMIT;
SQL
ok( aj_until($node, 'both to wake',
		"SELECT count(*) = 2 FROM asyncjob.job WHERE result = '\"slept\"' AND state = 'completed'"),
	'both of two naps end, though one was over before it was told');

aj_quiet_log($node, 'no process of the server crashed');
$node->stop;
done_testing();

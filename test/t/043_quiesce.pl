# A paused pipeline and a quiesced database with workers at full speed: what
# runs finishes, nothing is started, and a restart changes nothing about that.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use AsyncJobTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = aj_node('main');
my $started = "SELECT count(*) FROM asyncjob.job WHERE started_at IS NOT NULL";

# jobs of two pipelines in one lane, one of them paused
$node->safe_psql('postgres', <<'SQL');
SELECT asyncjob.pause_pipeline('quick');
DO $$ BEGIN
    FOR n IN 1..20 LOOP
        PERFORM asyncjob.submit_many('quick', array_fill('{}'::jsonb, ARRAY[100]));
        PERFORM asyncjob.submit_many('noop', array_fill('{}'::jsonb, ARRAY[100]));
    END LOOP;
END $$;
SQL
ok( aj_until($node, 'jobs of the other pipeline',
		"SELECT count(*) = 2000 FROM asyncjob.job WHERE state = 'completed'"),
	'those between the paused ones run');
is($node->safe_psql('postgres', 'SELECT count(*) FROM effects'), 0, 'none of the paused ones did');
ok( aj_until($node, 'the rest to be set aside',
		"SELECT count(*) = 2000 FROM asyncjob.job WHERE state = 'waiting' AND waiting_for = 'pause'"),
	'they are set aside');
$node->restart;
ok(aj_rounds($node, 'postgres', 4), 'the coordinator looks');
is($node->safe_psql('postgres', 'SELECT count(*) FROM effects'), 0, 'a restart lets none of them go');
my $late = aj_submit($node, 'noop');
is(aj_wait($node, $late), 'completed', 'others go on');
$node->safe_psql('postgres', "SELECT asyncjob.resume_pipeline('quick')");
ok( aj_until($node, 'the paused jobs', 'SELECT count(*) = 2000 FROM effects'), 'resumed, each runs once');

# quiesce while workers run batches: when it says that nothing runs, nothing does
$node->safe_psql('postgres',
	"SELECT count(*) FROM asyncjob.submit_many('noop', array_fill('{}'::jsonb, ARRAY[20000]))");
is($node->safe_psql('postgres', "CALL asyncjob.quiesce_wait(timeout => '1 min')"), 0, 'nothing runs any more');
my $then = $node->safe_psql('postgres', $started);
aj_submit($node, 'noop') for 1 .. 3;
ok(aj_rounds($node, 'postgres', 4), 'the coordinator looks');
is($node->safe_psql('postgres', $started), $then, 'and nothing starts');
$node->restart;
aj_submit($node, 'noop');
ok(aj_rounds($node, 'postgres', 4), 'the coordinator looks after a restart');
is($node->safe_psql('postgres', $started), $then, 'nothing starts after that either');
is($node->safe_psql('postgres', 'SELECT status FROM asyncjob.health()'), 'degraded', 'health() says so');
$node->safe_psql('postgres', 'SELECT asyncjob.resume()');
ok( aj_until($node, 'all jobs', "SELECT count(*) = 0 FROM asyncjob.job WHERE state <> 'completed'"), 'resumed, all run');
is($node->safe_psql('postgres', 'SELECT status FROM asyncjob.health()'), 'ok', 'health() is content');

# a job of several steps that runs may finish, its steps one after another
my $slow = aj_submit($node, 'gated');
aj_in_step($node, $slow);
is($node->safe_psql('postgres', 'SELECT asyncjob.quiesce()'), 1, 'one job runs');
is($node->safe_psql('postgres', "CALL asyncjob.quiesce_wait(timeout => '100 ms')"), 1, 'it runs still when time is up');
my $waiter = $node->background_psql('postgres');
$waiter->query_until(qr/waiting/, "\\echo waiting\nCALL asyncjob.quiesce_wait();\n\\echo rest\n");
aj_gate($node, 1);
like($waiter->query_until(qr/rest/, ''), qr/^0$/m, 'who waits is told when it is over');
$waiter->quit;
is(aj_status($node, $slow, 'state'), 'completed', 'the job has finished');
$node->safe_psql('postgres', 'SELECT asyncjob.resume()');

# a claim of an external worker that is not committed yet is waited for
$node->safe_psql('postgres', q(SELECT asyncjob.create_pipeline('out', '[{"name": "a", "handler": "external"}]')));
my $out = aj_submit($node, 'out');
my $claimer = $node->background_psql('postgres');
$claimer->query_safe('BEGIN');
is($claimer->query_safe("SELECT job_id FROM asyncjob.claim('{default}')"), $out, 'claimed');
is($node->safe_psql('postgres', "CALL asyncjob.quiesce_wait(timeout => '100 ms')"), 1, 'an open claim counts');
$claimer->query_safe('COMMIT');
is($node->safe_psql('postgres', "CALL asyncjob.quiesce_wait(timeout => '100 ms')"), 1, 'and so does the job under its lease');
$node->safe_psql('postgres', "SELECT asyncjob.complete(id, -worker_id) FROM asyncjob.job WHERE id = $out");
is($node->safe_psql('postgres', "CALL asyncjob.quiesce_wait(timeout => '1 min')"), 0, 'until it is complete');
$claimer->quit;

aj_quiet_log($node);
$node->stop;
done_testing();

# The coordinator prunes while jobs run, waits for no lock and holds up
# nobody; what is pinned stays.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use AsyncJobTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = aj_node('retention');
aj_role($node, 'app');

# Enough jobs for many batches; somebody holds the row of the first one.
$node->safe_psql('postgres', "SELECT count(*) FROM asyncjob.submit_many('noop', ARRAY(SELECT '{}'::jsonb FROM generate_series(1, 5000)))",
	extra_params => [ '-U', 'app' ]);
my $last = aj_submit($node, 'noop', as => 'app');
is(aj_wait($node, $last), 'completed', 'jobs have run');
ok( aj_until($node, 'all of them', "SELECT NOT EXISTS (SELECT FROM asyncjob.job WHERE state <> 'completed')"),
	'all of them');
my $held = $node->safe_psql('postgres', 'SELECT min(id) FROM asyncjob.job');
my $pinned = $held + 1;
$node->safe_psql('postgres', "SELECT asyncjob.pin($pinned)", extra_params => [ '-U', 'app' ]);
my $holder = $node->background_psql('postgres');
$holder->query_safe("BEGIN; SELECT id FROM asyncjob.job WHERE id = $held FOR UPDATE");
my $running = aj_submit($node, 'gated', as => 'app');
ok(aj_in_step($node, $running), 'a job runs meanwhile');

$node->safe_psql('postgres', "SELECT asyncjob.set_retention('result', '1 s'), asyncjob.set_retention('queued', '1 s')");
ok( aj_until($node, 'the jobs to go',
		"SELECT string_agg(id::text, ' ' ORDER BY id) = '$held $pinned $running' FROM asyncjob.job"),
	'all go but the one whose row is locked, the one that is pinned and the one that runs');
my $new = aj_submit($node, 'quick', as => 'app');
is(aj_wait($node, $new), 'completed', 'new jobs run');
$holder->query_safe('COMMIT');
$holder->quit;
ok( aj_until($node, 'the locked one', "SELECT NOT EXISTS (SELECT FROM asyncjob.job WHERE id IN ($held, $new))"),
	'the one that was locked goes with a later sweep');
is($node->safe_psql('postgres', "SELECT asyncjob.result($pinned)"), '{}', 'the pinned one can be read');
$node->safe_psql('postgres', "SELECT asyncjob.unpin($pinned)", extra_params => [ '-U', 'app' ]);
ok( aj_until($node, 'the pinned one', "SELECT NOT EXISTS (SELECT FROM asyncjob.job WHERE id = $pinned)"),
	'unpinned it goes');

# A queued job that isn't started in time becomes a dead letter.
$node->safe_psql('postgres', "SELECT asyncjob.pause_queue('default')");
my $late = aj_submit($node, 'quick', as => 'app');
ok( aj_until($node, 'the queued job to expire', "SELECT state = 'failed' FROM asyncjob.job WHERE id = $late"),
	'a job that waits too long becomes a dead letter');
is(aj_status($node, $late, 'error_code, error_message'), 'expired|the job was not started within 00:00:01', 'that says so');
$node->safe_psql('postgres', "SELECT asyncjob.set_retention('queued', NULL); SELECT asyncjob.resume_queue('default');");
$node->safe_psql('postgres', "SELECT asyncjob.redrive('$late')", extra_params => [ '-U', 'app' ]);
aj_gate($node, 1);
ok( aj_until($node, 'both to end', "SELECT NOT EXISTS (SELECT FROM asyncjob.job WHERE id IN ($late, $running))"),
	'redriven it runs and goes, as does the one that ran all the time');
is($node->safe_psql('postgres', 'SELECT (SELECT count(*) FROM asyncjob.job_update) + (SELECT count(*) FROM asyncjob.checkpoint)'),
	0, 'and no history is left');
aj_quiet_log($node);

done_testing();

# What a worker holds: nothing while it idles, and nothing while a compiled
# step computes, so that neither vacuum nor DROP EXTENSION waits for it.

use strict;
use warnings;

use Cwd qw(abs_path);
use FindBin;
use lib $FindBin::RealBin;
use AsyncJobTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use IPC::Run;
use Test::More;

# A compiled step of the tests' own, built beside the data.
my $module = abs_path("$FindBin::RealBin/../modules/longstep");
my $include = abs_path("$FindBin::RealBin/../../src/include");
my $build = PostgreSQL::Test::Utils::tempdir();
chmod 0755, $build;
{
	local %ENV = %ENV;
	delete @ENV{qw(MAKEFLAGS MAKELEVEL MFLAGS)};
	my ($out, $err);
	my $ok = IPC::Run::run(
		[ 'make', '-s', '-C', $build, '-f', "$module/Makefile",
			"VPATH=$module", "AJ_INCLUDE=$include", 'PG_CONFIG=' . ($ENV{PG_CONFIG} // 'pg_config'), 'all' ],
		'>', \$out, '2>', \$err);
	ok($ok, 'the compiled step builds with nothing but asyncjob.h') or diag($err);
}

my $node = aj_node('quiet', conf => "autovacuum = off\nasyncjob.max_workers = 1\n");
aj_role($node, 'app');
$node->safe_psql('postgres', <<SQL);
CREATE FUNCTION longstep(jsonb) RETURNS jsonb LANGUAGE c STRICT AS '$build/longstep', 'longstep';
SELECT asyncjob.create_pipeline('long', '[{"name": "long", "handler": "public.longstep"}]');
SELECT asyncjob.grant_pipeline('long', 'app');
CREATE TABLE litter AS SELECT generate_series(1, 10000) n;
SQL

my $held = "SELECT string_agg(backend_type || ' xid ' || coalesce(backend_xid::text, '-') || ' xmin ' || coalesce(backend_xmin::text, '-'), ', ' ORDER BY backend_type) FROM pg_stat_activity WHERE backend_type LIKE 'asyncjob%'";
my $nothing = 'asyncjob coordinator xid - xmin -, asyncjob launcher xid - xmin -, asyncjob worker xid - xmin -';

# Idle.
is(aj_wait($node, aj_submit($node, 'quick', as => 'app')), 'completed', 'a job runs');
ok( aj_until($node, 'the worker to idle',
		"SELECT count(*) = 1 FROM asyncjob.workers() WHERE state = 'idle'"),
	'its worker idles');
ok(aj_until($node, 'silence', "SELECT ($held) = '$nothing'"), 'an idle engine holds no XID and no snapshot');
is($node->safe_psql('postgres', "SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE backend_type = 'asyncjob worker'"),
	0, 'an idle worker holds no lock');

# Computing.
sub computing
{
	my ($id) = @_;

	return aj_until($node, 'the step to compute',
		"SELECT state = 'running' AND step_progress > 0 FROM asyncjob.status($id)");
}
my $id = aj_submit($node, 'long', as => 'app', params => '{"ms": 600000}');
ok(computing($id), 'a compiled step computes, and its progress is seen');
ok(aj_until($node, 'silence', "SELECT ($held) = '$nothing'"), 'a computing worker holds no XID and no snapshot');
is( $node->safe_psql('postgres',
		"SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE backend_type = 'asyncjob worker' AND l.locktype = 'relation'"),
	0, 'and no lock on a table');
is($node->safe_psql('postgres', "SELECT state FROM asyncjob.workers() WHERE job_id = $id"),
	'busy', 'it is still at it');
my $first = aj_status($node, $id, 'step_progress');
ok(aj_until($node, 'progress', "SELECT step_progress > $first FROM asyncjob.status($id)"), 'progress goes on');

$node->safe_psql('postgres', 'DELETE FROM litter');
ok( aj_until($node, 'older snapshots to end',
		"SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_xmin IS NOT NULL AND pid <> pg_backend_pid()"),
	'nobody else holds a snapshot');
$node->safe_psql('postgres', 'VACUUM litter');
is($node->safe_psql('postgres', "SELECT pg_relation_size('litter')"), 0, 'vacuum removes what was deleted meanwhile');

# Cancelled: the best of three, since other processes want the processor too.
my $best = 1e9;
for my $round (1 .. 3)
{
	my $at = $node->safe_psql('postgres', "SELECT clock_timestamp() FROM asyncjob.cancel($id, 'enough')");

	is(aj_wait($node, $id), 'cancelled', "cancelled, time $round");
	my $took = aj_seconds($node, "SELECT finished_at - '$at'::timestamptz FROM asyncjob.status($id)");
	$best = $took if $took < $best;
	last if $round == 3;
	$id = aj_submit($node, 'long', as => 'app', params => '{"ms": 600000}');
	ok(computing($id), 'the next one computes');
}
cmp_ok($best, '<', 0.1, 'a computing step stops within 100 ms of cancel()');

# A short one ends by itself, and its snapshot is back for the engine.
$id = aj_submit($node, 'long', as => 'app', params => '{"ms": 20}');
is(aj_wait($node, $id), 'completed', 'a step that computed completes');
is($node->safe_psql('postgres', "SELECT asyncjob.result($id)"), '{"ms": 20}', 'with its result');

# The same function outside of a job.
is($node->safe_psql('postgres', q(SELECT longstep('{"ms": 1}') FROM generate_series(1, 3) LIMIT 1)),
	'{"ms": 1}', 'a step can be tried with SELECT');

# DROP EXTENSION.
$id = aj_submit($node, 'long', as => 'app', params => '{"ms": 600000}');
ok(computing($id), 'a compiled step computes');
my ($took) = aj_timed(sub { $node->safe_psql('postgres', "SET lock_timeout = '20s'; DROP EXTENSION asyncjob") });
cmp_ok($took, '<', 2, 'DROP EXTENSION does not wait for it');
$node->safe_psql('postgres',
	"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'asyncjob worker'");
ok( aj_until($node, 'all to leave',
		"SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type IN ('asyncjob worker', 'asyncjob coordinator')"),
	'worker and coordinator leave');

aj_quiet_log($node);
$node->stop;
done_testing();

# Two roles with a backlog share one worker's place: both go on, and neither
# spends its time on starting workers.  Fewer workers are allowed: some go.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use AsyncJobTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = aj_node('fair', conf => <<'CONF');
asyncjob.max_workers = 1
asyncjob.enabled = off
log_min_messages = log
CONF
aj_role($node, $_) for qw(first second);

my $n = 60000;
for my $role (qw(first second))
{
	is( $node->safe_psql('postgres',
			"SET ROLE $role; SELECT count(*) FROM asyncjob.submit_many('noop', array_fill('{}'::jsonb, ARRAY[$n]))"),
		$n, "$role has a backlog");
}
$node->safe_psql('postgres', 'ALTER SYSTEM SET asyncjob.enabled = on');
$node->reload;

my $done = 'SELECT count(*) FROM asyncjob.job WHERE state = \'completed\' AND owner = \'%s\'::regrole::oid';
my $both = join(' AND ', map { '(' . sprintf($done, $_) . ') > 0' } qw(first second));
ok( $node->poll_query_until('postgres', "SELECT $both AND EXISTS (SELECT FROM asyncjob.job WHERE state = 'queued')
		OR NOT EXISTS (SELECT FROM asyncjob.job WHERE state = 'queued')"),
	'both have begun before either has long ended');
ok( $node->poll_query_until('postgres', "SELECT NOT EXISTS (SELECT FROM asyncjob.job WHERE state <> 'completed')"),
	'all jobs of both are completed');

# A worker that has work keeps its place for a second, so a role waits about
# that long, and a drain of some seconds takes a handful of workers.
my $changes = $node->safe_psql('postgres', q{
	WITH o AS (SELECT owner, lag(owner) OVER (ORDER BY finished_at, id) AS before FROM asyncjob.job)
	SELECT count(*) FROM o WHERE owner <> before});
my $seconds = $node->safe_psql('postgres',
	'SELECT ceil(extract(epoch FROM max(finished_at) - min(started_at))) FROM asyncjob.job');
cmp_ok($changes, '>=', 1, 'the place changed hands');
cmp_ok($changes, '<=', 2 * $seconds + 2, "but only $changes times in $seconds s");

# Fewer workers from now on.
$node->safe_psql('postgres', 'ALTER SYSTEM SET asyncjob.max_workers = 4');
$node->reload;
$node->safe_psql('postgres', q{
	CREATE FUNCTION nap(a jsonb) RETURNS jsonb LANGUAGE sql AS $$ SELECT a FROM pg_sleep(0.1) $$;
	SELECT asyncjob.create_pipeline('nap', '[{"name": "nap", "handler": "public.nap"}]');
	SELECT asyncjob.submit_many('nap', array_fill('{}'::jsonb, ARRAY[300]))});
ok( $node->poll_query_until('postgres', "SELECT count(*) = 4 FROM asyncjob.workers() WHERE state = 'busy'"),
	'four workers are busy');
$node->safe_psql('postgres', 'ALTER SYSTEM SET asyncjob.max_workers = 1');
$node->reload;
ok( $node->poll_query_until('postgres', 'SELECT count(*) = 1 FROM asyncjob.workers()'),
	'a lower limit is obeyed while there is work');
cmp_ok($node->safe_psql('postgres', "SELECT count(*) FROM asyncjob.job WHERE state = 'queued'"), '>', 0,
	'there was');

# A job that ranks higher than what all workers have in hand gets a place
# before its role has waited for a second.
my $urgent = aj_submit($node, 'noop', as => 'second', args => "priority => 'urgent'");
is(aj_wait($node, $urgent), 'completed', 'an urgent job of a role without worker');
is( $node->safe_psql('postgres',
		"SELECT started_at - created_at < '0.9 s' FROM asyncjob.job WHERE id = $urgent"),
	't', 'overtakes the backlog of another role at once');

$node->stop('fast');
done_testing();

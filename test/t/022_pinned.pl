# While an old snapshot is held no dead index entry goes away.  Whatever the
# engine looks up must not read more of them the longer that lasts.  Rates can't
# show that on a busy machine, the counters of pg_stat_user_indexes can.  Polls do
# read everything, so there is none meanwhile.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use AsyncJobTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my @pipelines = qw(quick noop flaky napping branching hearing);
my $many = 1200;
my $some = 60;

my $node = aj_node('pinned', conf => "autovacuum = off\nasyncjob.max_workers = 1\nasyncjob.poll_interval = 1h\nsynchronous_commit = off\n");
aj_role($node, 'app');
$node->safe_psql('postgres', <<'SQL');
SELECT asyncjob.create_queue('q' || i) FROM generate_series(0, 2) i;
CREATE FUNCTION flaky(p jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    IF asyncjob.attempt() = 1 THEN
        RAISE EXCEPTION 'the first attempt fails';
    END IF;
    RETURN p;
END $$;
CREATE FUNCTION napping(p jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    PERFORM asyncjob.sleep('nap', interval '1 ms');
    RETURN p;
END $$;
-- one branch waits for what the other one tells, and would for an hour
CREATE FUNCTION hears(p jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    RETURN asyncjob.wait_for_event('told', asyncjob.current_job()::text, '1 h');
END $$;
CREATE FUNCTION tells(p jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    PERFORM asyncjob.emit('told', p, asyncjob.current_job()::text);
    RETURN p;
END $$;
SELECT asyncjob.create_pipeline('flaky', '[{"name": "flaky", "handler": "public.flaky", "backoff": ["1ms"]}]');
SELECT asyncjob.create_pipeline('napping', '[{"name": "napping", "handler": "public.napping"}]');
SELECT asyncjob.create_pipeline('branching', '[{"name": "a", "handler": "public.quick"},
    {"name": "b", "handler": "public.quick", "after": []},
    {"name": "c", "handler": "public.quick", "after": ["a", "b"]}]');
SELECT asyncjob.create_pipeline('hearing', '[{"name": "a", "handler": "public.hears"},
    {"name": "b", "handler": "public.tells", "after": []}]');
SELECT asyncjob.grant_pipeline(p, 'app') FROM unnest('{flaky,napping,branching,hearing}'::text[]) p;

-- seen to at each poll; the coordinator plans that while there are no jobs
SELECT asyncjob.create_queue('few', max_running => 1);

-- the most urgent jobs of all, of a queue that is paused
SELECT asyncjob.create_queue('stopped');
SELECT asyncjob.pause_queue('stopped');
SET ROLE app;
SELECT count(*) FROM asyncjob.submit_many('noop', array_fill('{}'::jsonb, ARRAY[3000]), queue => 'stopped', priority => '10');
SQL
ok( aj_until($node, 'the limits not to be new any more',
		q(SELECT clock_timestamp() > created_at + interval '3 s' FROM asyncjob.queue WHERE name = 'few')),
	'what is queued in a queue with new limits has been looked at');
my $ours = q(queue_id <> (SELECT id FROM asyncjob.queue WHERE name = 'stopped'));

# Jobs of a pipeline, in three queues and at any priority; returns how many
# entries of each index of the jobs were read for one of them.
sub entries_read
{
	my ($pipeline, $jobs) = @_;
	my $reads = "SELECT indexrelname, idx_tup_read FROM pg_stat_user_indexes WHERE relid = 'asyncjob.job'::regclass ORDER BY 1";
	my $updates = "SELECT n_tup_upd FROM pg_stat_user_tables WHERE relid = 'asyncjob.job'::regclass";
	my %before = map { split /\|/ } split /\n/, $node->safe_psql('postgres', $reads);
	my $updated = $node->safe_psql('postgres', $updates) + $jobs;
	my %after;

	$node->safe_psql('postgres', "SET ROLE app; SELECT count(asyncjob.submit('$pipeline', '{}', queue => 'q' || i % 3, priority => (i % 11)::text)) FROM generate_series(1, $jobs) i");
	aj_until($node, "jobs of $pipeline to end",
		"SELECT NOT EXISTS (SELECT FROM asyncjob.job WHERE state NOT IN ('completed', 'failed') AND $ours)")
	  or die "jobs of $pipeline did not end";
	# autovacuum goes by what a worker tells of its jobs, in batches or not
	aj_until($node, "the worker to tell what it did with jobs of $pipeline", "SELECT ($updates) >= $updated")
	  or die "the worker doesn't tell what it does";
	%after = map { split /\|/ } split /\n/, $node->safe_psql('postgres', $reads);
	return { map { $_ => ($after{$_} - $before{$_}) / $jobs } keys %after };
}

my $old = $node->background_psql('postgres');
$old->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1');

entries_read($_, $many) foreach @pipelines;
foreach my $pipeline (@pipelines)
{
	my $read = entries_read($pipeline, $some);

	# Read from the beginning it would be some thousand dead ones.
	foreach my $index (sort keys %$read)
	{
		cmp_ok($read->{$index}, '<', 250, sprintf("%s: %.1f entries of %s are read for a job", $pipeline, $read->{$index}, $index))
		  if $read->{$index} > 0;
	}
}
is($node->safe_psql('postgres', "SELECT count(*) FROM asyncjob.job WHERE state = 'completed' AND item_no IS NULL"),
	@pipelines * ($many + $some), 'all jobs are completed');

# Polls look for queued jobs, and not among all others.
my $by_key = q(SELECT idx_tup_read FROM pg_stat_user_indexes WHERE indexrelid = 'asyncjob.job_pkey'::regclass);
my $read = $node->safe_psql('postgres', $by_key);
$node->safe_psql('postgres', q(ALTER SYSTEM SET asyncjob.poll_interval = '100ms'));
$node->reload;
ok(aj_rounds($node, 'postgres', 200), 'the coordinator polls');
cmp_ok($node->safe_psql('postgres', $by_key) - $read, '<', 5000, 'polls do not read all jobs');

$old->query_safe('COMMIT');
$old->quit;
$node->stop;
done_testing();

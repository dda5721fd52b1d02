# The plans of what workers and the coordinator do stay the same, whatever is in
# the tables when they are made: a process lives for days, and what was right
# for empty tables would be ruinous for full ones.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use AsyncJobTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'auto_explain is not installed'
  if system('test -e "$(pg_config --pkglibdir)/auto_explain.so"') != 0;

my $node = aj_node('plans', conf => <<'CONF');
shared_preload_libraries = 'auto_explain, asyncjob'
auto_explain.log_min_duration = 0
log_line_prefix = '%m [%p] %b '
autovacuum = off
asyncjob.poll_interval = 100ms
CONF
aj_role($node, 'app');
$node->safe_psql('postgres', <<'SQL');
CREATE FUNCTION napping(p jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    PERFORM asyncjob.sleep('nap', interval '1 ms');
    PERFORM asyncjob.wait_for_event('bell', p ->> 'key', interval '1 min');
    RETURN p;
END $$;
CREATE FUNCTION failing(p jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    PERFORM asyncjob.log('info', 'about to fail');
    RAISE EXCEPTION 'attempt %', asyncjob.attempt();
END $$;
SELECT asyncjob.create_queue('few', max_running => 2);
SELECT asyncjob.create_pipeline('napping', '[{"name": "napping", "handler": "public.napping"}]');
SELECT asyncjob.create_pipeline('failing', '[{"name": "failing", "handler": "public.failing", "max_attempts": 2, "backoff": ["1ms"]}]');
SELECT asyncjob.create_pipeline('branching', '[{"name": "a", "handler": "public.quick"},
    {"name": "b", "handler": "public.quick", "after": [], "cache_ttl": "1h"},
    {"name": "c", "handler": "public.quick", "after": ["a", "b"]}]');
SELECT asyncjob.grant_pipeline(p, 'app') FROM unnest('{napping,failing,branching}'::text[]) p;
SQL

# Some of all there is; returns the plan of each statement of the background.
sub plans
{
	my ($round) = @_;
	my $from = -s $node->logfile;
	my %plan;

	$node->safe_psql('postgres', <<SQL);
SET ROLE app;
SELECT asyncjob.on_event('bell', 'quick') WHERE $round = 1;
SELECT count(asyncjob.submit('noop', '{}', priority => (i % 3)::text)) FROM generate_series(1, 300) i;
SELECT count(asyncjob.submit(p, jsonb_build_object('key', '$round ' || i), queue => q))
FROM unnest('{quick,napping,failing,branching}'::text[]) p, unnest('{default,few}'::text[]) q, generate_series(1, 5) i;
SELECT asyncjob.cancel(asyncjob.submit('gated', '{}'));
SELECT count(asyncjob.emit('bell', '{}', key => '$round ' || i)) FROM generate_series(1, 5) i;
SQL
	aj_until($node, "the jobs of round $round to end",
		"SELECT NOT EXISTS (SELECT FROM asyncjob.job WHERE state NOT IN ('completed', 'failed', 'cancelled'))")
	  or die 'the jobs did not end';
	aj_rounds($node, 'postgres', 20) or die 'the coordinator does not poll';
	foreach my $entry (split /^(?=\d{4}-\d\d-\d\d )/m, slurp_file($node->logfile, $from))
	{
		my ($query, $plan) = $entry =~ /asyncjob (?:worker|coordinator).* plan:\n\tQuery Text: (.*?)\n\t(.*)/s or next;

		next unless $query =~ /asyncjob\./;
		$plan =~ s/^Query Parameters: .*?\n\t//;
		$plan =~ s/ +\(cost=[^)]*\)//g;
		$plan{$query}{$plan} = 1;
	}
	return \%plan;
}

my $empty = plans(1);
cmp_ok(scalar keys %$empty, '>', 30, 'statements of the background are logged');

# Now the tables are full, of what has ended, and the planner knows it.
$node->safe_psql('postgres', q(SET ROLE app; SELECT count(*) FROM asyncjob.submit_many('noop', array_fill('{}'::jsonb, ARRAY[30000]))));
aj_until($node, 'the many jobs to end', "SELECT NOT EXISTS (SELECT FROM asyncjob.job WHERE state <> 'completed' AND id > (SELECT max(id) - 30000 FROM asyncjob.job))")
  or die 'the many jobs did not end';
$node->safe_psql('postgres', 'VACUUM ANALYZE');
$node->restart;
my $full = plans(2);

my @both = grep { $full->{$_} } sort keys %$empty;
cmp_ok(scalar @both, '>', 30, 'the same statements are logged with full tables');
is_deeply({ map { $_ => $full->{$_} } @both }, { map { $_ => $empty->{$_} } @both },
	'full tables are read by the plans that empty ones were');

# No statement may read all of what grows: an index that all rows are in without a
# condition on it, but for who prunes events from time to time.
my $big = join '|', qw(artifact artifact_chunk chat_message chat_session checkpoint
  event event_wait job job_memo job_update lease place queue_start step_cache);
my $short = join '|', qw(event_done_idx event_pending_idx event_wait_fresh_idx
  job_running_idx step_cache_expires_idx);
my @walks;
foreach my $query (grep { !/^DELETE FROM asyncjob\.event / } @both)
{
	push @walks, map { "$query\n$_" } grep {
		/Seq Scan on (?:$big)\b/ or /Scan (?:Backward )?using (?!$short)\w+ on (?:$big)\b[^\n]*\n\s*Filter/
	} keys %{ $empty->{$query} };
}
is(join("\n", @walks), '', 'no statement walks over all of a table');

$node->stop;
done_testing();

# Lanes and their floors against a full scan: sessions submit, roll back, save
# points, cancel, retry, pause, drain and prepare at random while workers
# claim, all of it under an old snapshot.  Then a scan of the whole table must
# find no job that is due and left alone.  The coordinator's poll, which would
# find such a job after a while, is an hour away, but for the part with
# prepared transactions, which nobody announces.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use AsyncJobTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $seed = $ENV{AJ_TEST_SEED} || int(time * 1000) % 2147483647;
note("AJ_TEST_SEED=$seed");
my $seconds = $ENV{AJ_TEST_SECONDS} || 1;

my $node = aj_node('lanes', conf => <<'CONF');
asyncjob.max_workers = 4
asyncjob.poll_interval = 1h
max_prepared_transactions = 20
max_connections = 50
log_min_messages = warning
CONF
aj_role($node, 'other');

# A job of flaky fails the first time and comes back a moment later, before
# whatever was submitted meanwhile.
$node->safe_psql('postgres', <<'SQL');
CREATE FUNCTION flaky(a jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    IF asyncjob.attempt() = 1 THEN
        RAISE EXCEPTION 'the first time';
    END IF;
    RETURN a;
END $$;
SELECT asyncjob.create_pipeline('flaky',
    '[{"name": "flaky", "handler": "public.flaky", "max_attempts": 3, "backoff": ["20ms"]}]');
SELECT asyncjob.grant_pipeline('flaky', 'other');
SELECT asyncjob.create_queue('q' || n) FROM generate_series(1, 3) n;
SELECT asyncjob.grant_admin('other');
-- what two sessions do to one job at a time may be refused
CREATE FUNCTION try(command text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE command;
EXCEPTION WHEN OTHERS THEN
    NULL;
END $$;
SQL

my $dir = PostgreSQL::Test::Utils::tempdir();
my $submit =
  "SELECT asyncjob.submit((ARRAY['noop', 'quick', 'flaky'])[:what], '{}', queue => 'q' || :queue, priority => :priority::text, run_at => clock_timestamp() + :ahead * interval '1 ms');\n";

# What comes after 79 makes all lanes be looked at anew, which would hide what
# the rest did wrong, so some rounds do without.
my $act = <<"SCRIPT";
\\set op random(1, :most)
\\set what random(1, 3)
\\set queue random(1, 3)
\\set priority random(0, 10)
\\set ahead random(-200, 100)
\\set held random(1, 40)
\\if :op <= 40
$submit
\\elif :op <= 50
SELECT count(*) FROM asyncjob.submit_many('noop', array_fill('{}'::jsonb, ARRAY[:held]), queue => 'q' || :queue, priority => :priority::text);
\\elif :op <= 60
BEGIN;
$submit
SELECT pg_sleep(:held / 1000.0);
ROLLBACK;
\\elif :op <= 70
BEGIN;
$submit
SAVEPOINT s;
$submit
ROLLBACK TO s;
$submit
SELECT pg_sleep(:held / 1000.0);
COMMIT;
\\elif :op <= 73
SELECT try(format('SELECT asyncjob.cancel(%s)', id)) FROM asyncjob.job WHERE state = 'queued' ORDER BY id DESC LIMIT 1;
\\elif :op <= 76
SELECT try(format('SELECT asyncjob.reprioritize(%s, ''%s'')', id, :priority)) FROM asyncjob.job WHERE state = 'queued' ORDER BY id DESC LIMIT 1;
\\elif :op <= 79
SELECT try(format('SELECT asyncjob.retry(%s)', id)) FROM asyncjob.job WHERE state = 'cancelled' ORDER BY random() LIMIT 1;
\\elif :op <= 85
BEGIN;
SELECT asyncjob.drain(:what);
ROLLBACK;
\\elif :op <= 90
SELECT asyncjob.drain(:what);
\\elif :op <= 96
SELECT asyncjob.pause_queue('q' || :queue);
SELECT pg_sleep(:held / 1000.0);
SELECT asyncjob.resume_queue('q' || :queue);
\\else
SELECT pg_sleep(:held / 1000.0);
\\endif
SCRIPT
append_to_file("$dir/act.sql", $act);
append_to_file("$dir/prepare.sql", <<"SCRIPT");
\\set what random(1, 3)
\\set queue random(1, 3)
\\set priority random(0, 10)
\\set ahead random(-200, 100)
BEGIN;
$submit
PREPARE TRANSACTION 'p:client_id';
COMMIT PREPARED 'p:client_id';
SCRIPT

# Random work of several sessions.
sub storm
{
	my ($script, $round, $role) = @_;
	my $most = $round <= 3 ? 79 : 100;

	my $out = '';
	my $run = IPC::Run::start(
		[
			'pgbench', '-n', '-U', $role, '-h', $node->host, '-p', $node->port,
			'-f', "$dir/$script", '-c', 4, '-T', $seconds, '-D', "most=$most",
			'--random-seed=' . ($seed + $round), 'postgres'
		],
		'>', \$out, '2>&1');
	return sub {
		ok($run->finish, "round $round: no session of $role stopped") or diag($out);
	};
}

# Nothing is due and left alone: looked for in the whole table.
sub nothing_left
{
	my ($what) = @_;
	local $ENV{PGOPTIONS} =
	  '-c enable_indexscan=off -c enable_indexonlyscan=off -c enable_bitmapscan=off';
	my $done = $node->poll_query_until('postgres',
		"SELECT count(*) = 0 FROM asyncjob.job WHERE state IN ('queued', 'running')");

	ok($done, "$what: every job that was due was found");
	diag("AJ_TEST_SEED=$seed\n" . $node->safe_psql('postgres', q{
		SELECT id, owner::regrole, queue_id, priority, run_at, state, seq, clock_timestamp()
		FROM asyncjob.job WHERE state IN ('queued', 'running') LIMIT 20})) unless $done;
	return;
}

# More lanes than the table has room for, some at a time.
for my $part (1 .. 3)
{
	$node->safe_psql('postgres', qq{
		SELECT asyncjob.create_queue('many_${part}_' || n) FROM generate_series(1, 100) n;
		SELECT count(asyncjob.submit('noop', queue => 'many_${part}_' || n, priority => p::text))
		FROM generate_series(1, 100) n, generate_series(0, 9) p});
	nothing_left("part $part of 3,000 lanes");
}

# From here on no dead entry of the index can be removed.
my $old = $node->background_psql('postgres');
$old->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1');

for my $round (1 .. 5)
{
	my @storms = map { storm('act.sql', $round, $_) } qw(postgres other);
	$_->() for @storms;
	nothing_left("round $round");
}

$node->append_conf('postgresql.conf', 'asyncjob.poll_interval = 200ms');
$node->reload;
my @storms = (storm('act.sql', 10, 'postgres'), storm('prepare.sql', 11, 'other'));
$_->() for @storms;
nothing_left('with prepared transactions');

$old->query_safe('COMMIT');
$old->quit;

cmp_ok($node->safe_psql('postgres', 'SELECT count(*) FROM asyncjob.job'), '>', 500, 'there was something to find');
is( $node->safe_psql('postgres', q{
		SELECT count(*) FROM asyncjob.job j JOIN asyncjob.pipeline p ON p.id = j.pipeline_id
		WHERE p.name = 'quick' AND state = 'completed'
		AND (SELECT count(*) FROM effects e WHERE e.job = j.id) <> 1}),
	0, 'every completed job has had its effect once');
is( $node->safe_psql('postgres', q{
		SELECT count(*) FROM effects e WHERE NOT EXISTS
		(SELECT FROM asyncjob.job j WHERE j.id = e.job AND j.state = 'completed')}),
	0, 'and no other job has');
is( $node->safe_psql('postgres', q{SELECT count(*) FROM asyncjob.job WHERE state = 'failed'}),
	0, 'none became a dead letter');

$node->stop('fast');
done_testing();

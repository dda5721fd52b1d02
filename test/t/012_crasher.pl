# A handler that brings the whole server down, beside one that does not: the
# crasher is found, runs alone, and is a dead letter after three crashes of
# its own; nobody else comes to harm.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use AsyncJobTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = aj_node('crasher', conf => "restart_after_crash = on\nmax_prepared_transactions = 1\n");
my $count = PostgreSQL::Test::Utils::tempdir() . '/crashes';
aj_role($node, 'app');

# The shell that COPY starts is a child of the worker.
$node->safe_psql('postgres', <<SQL);
CREATE FUNCTION crash(a jsonb) RETURNS jsonb LANGUAGE plpgsql AS \$\$
BEGIN
    INSERT INTO effects VALUES (asyncjob.current_job(), 'crash', asyncjob.attempt(), pg_backend_pid());
    COPY (SELECT 1) TO PROGRAM 'cat >> $count; kill -SEGV \$PPID; sleep 60';
    RETURN a;
END \$\$;
SELECT asyncjob.create_pipeline('crash', '[{"name": "crash", "handler": "public.crash"}]');
SELECT asyncjob.on_event('crash-failed', 'noop'), asyncjob.on_event('gated-failed', 'noop');
SQL

# The end of a job is an event, also where the engine ends it.
sub told
{
	my ($job) = @_;

	return aj_until($node, "the event of job $job",
		"SELECT count(*) = 1 FROM asyncjob.job WHERE params @> '{\"job_id\": $job, \"state\": \"failed\"}' AND state = 'completed'");
}

sub crashes
{
	return -e $count ? scalar(() = slurp_file($count) =~ /^1$/mg) : 0;
}

# Submit although the server may be going down; returns the id.
sub submit_at_last
{
	my ($pipeline, @user) = @_;
	my ($rc, $out, $err);

	for (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default)
	{
		($rc, $out, $err) = $node->psql('postgres',
			"SELECT asyncjob.submit('$pipeline')", @user);
		return $out if $rc == 0;
		select undef, undef, undef, 0.1;
	}
	die "could not submit: $err";
}

my $innocent = aj_submit($node, 'gated', as => 'app');
ok(aj_in_step($node, $innocent), 'an innocent job is in its step');
my $crasher = aj_submit($node, 'crash');

my @meanwhile = map { submit_at_last('quick', extra_params => [ '-U', 'app' ]) } 1 .. 5;

ok( aj_until($node, 'the dead letter',
		"SELECT state = 'failed' FROM asyncjob.job WHERE id = $crasher"),
	'the crasher becomes a dead letter');
ok(told($crasher), 'who subscribed is told');
is(crashes(), 4, 'it crashed the server once in company and three times alone');
is( aj_status($node, $crasher, 'error_code, error_category'),
	'handler_crashed|system', 'the error says that the handler crashed');
like(aj_status($node, $crasher, 'error_message'),
	qr/crashed the server 3 times/, 'and how often');
isnt(aj_status($node, $crasher, 'error_hint'), '', 'and what to do');
is($node->safe_psql('postgres', "SELECT crashes, suspect FROM asyncjob.job WHERE id = $crasher"),
	'3|f', 'only crashes while it was alone were counted');
is($node->safe_psql('postgres', "SELECT count(*) FROM effects WHERE step = 'crash'"),
	0, 'no attempt left anything');

ok(aj_in_step($node, $innocent), 'the innocent job runs again');
is( $node->safe_psql('postgres',
		"SELECT failures, crashes, suspect FROM asyncjob.job WHERE id = $innocent"),
	'0|0|f', 'and is not blamed');
is(aj_wait($node, $_), 'completed', "job $_, submitted meanwhile, completes") for @meanwhile;
aj_gate($node, 1);
is(aj_wait($node, $innocent), 'completed', 'the innocent job completes');
is( $node->safe_psql('postgres',
		"SELECT string_agg(step || '/' || attempt, ' ' ORDER BY step) FROM effects WHERE job = $innocent"),
	'gated/1 quick/1', 'with the effects of each step once');
is($node->safe_psql('postgres', 'SELECT count(*) FROM asyncjob.dead_letters'),
	1, 'there is one dead letter');

# A handler that was mended may be tried again, with a clean record.
$node->safe_psql('postgres', <<'SQL');
CREATE OR REPLACE FUNCTION crash(a jsonb) RETURNS jsonb LANGUAGE sql AS 'SELECT a';
SQL
$node->safe_psql('postgres', "SELECT asyncjob.retry($crasher)");
is(aj_wait($node, $crasher), 'completed', 'mended and retried, the crasher completes');

# A crasher whose row somebody has locked when the server is back, here by a
# prepared transaction, is marked when the row is free, and not run before.
$node->safe_psql('postgres', <<SQL);
CREATE TABLE mended (yes boolean);
INSERT INTO mended VALUES (false);
CREATE FUNCTION crash_once(a jsonb) RETURNS jsonb LANGUAGE plpgsql AS \$\$
BEGIN
    PERFORM public.gated(a);
    IF NOT (SELECT yes FROM public.mended) THEN
        COPY (SELECT 1) TO PROGRAM 'cat >> $count; kill -SEGV \$PPID; sleep 60';
    END IF;
    RETURN a;
END \$\$;
SELECT asyncjob.create_pipeline('crash_once', '[{"name": "a", "handler": "public.crash_once"}]');
SQL
aj_gate($node, 0);
my $locked = aj_submit($node, 'crash_once');
ok(aj_in_step($node, $locked), 'another crasher is in its step');
my ($coordinator) = aj_pids($node, 'coordinator');
$node->safe_psql('postgres', "BEGIN; SELECT asyncjob.pin($locked, '1 hour'); PREPARE TRANSACTION 'mine'");
aj_gate($node, 1);
ok(aj_until($node, 'the server to be back',
		"SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'asyncjob coordinator' AND pid <> $coordinator"),
	'it crashes the server');
aj_gate($node, 0);
$node->safe_psql('postgres', 'UPDATE mended SET yes = true');
is(aj_wait($node, aj_submit($node, 'quick', as => 'app')), 'completed', 'others go on');
is($node->safe_psql('postgres', "SELECT state, suspect FROM asyncjob.job WHERE id = $locked"),
	'running|f', 'the crasher, whose row is locked, is not given back');
$node->safe_psql('postgres', "ROLLBACK PREPARED 'mine'");
ok(aj_in_step($node, $locked), 'it runs when its row is free');
is($node->safe_psql('postgres', "SELECT suspect FROM asyncjob.job WHERE id = $locked"), 't', 'alone');
aj_gate($node, 1);
is(aj_wait($node, $locked), 'completed', 'and completes');

# A worker that was lost once too often.
aj_gate($node, 0);
my $unlucky = aj_submit($node, 'gated');
ok(aj_in_step($node, $unlucky), 'a job is in its step');
$node->safe_psql('postgres', "UPDATE asyncjob.job SET free_retries = 20, failures = 2 WHERE id = $unlucky");
$node->safe_psql('postgres', "SELECT pg_terminate_backend(pid) FROM asyncjob.workers() WHERE job_id = $unlucky");
is(aj_wait($node, $unlucky), 'failed', 'its worker was lost too often');
ok(told($unlucky), 'who subscribed is told of that, too');

# A cancel() that commits while the coordinator is giving jobs back: it sees the
# row locked when it ends jobs, and free when it queues them.  Between the two it
# is held up here, by the event of another job's end.  The worker of the job that
# is cancelled must be gone before, or it would end the job itself.
$node->safe_psql('postgres', <<'SQL');
CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(1);
    RETURN new;
END $$;
CREATE TRIGGER hold BEFORE INSERT ON asyncjob.event FOR EACH ROW EXECUTE FUNCTION hold();
SQL
$unlucky = aj_submit($node, 'gated');
my $cancelled = aj_submit($node, 'gated', as => 'app');
aj_in_step($node, $_) for $unlucky, $cancelled;
my $holder = $node->background_psql('postgres');
$holder->query_safe('SELECT pg_advisory_lock(1)', verbose => 0);
my $canceller = $node->background_psql('postgres');
$canceller->query_safe('BEGIN', verbose => 0);
$canceller->query_safe("SELECT asyncjob.pin($cancelled, '1 hour')", verbose => 0);
my $kill = "SELECT pg_terminate_backend(pid, 10000) FROM asyncjob.workers() WHERE job_id =";
$node->safe_psql('postgres', "$kill $cancelled");
$canceller->query_safe("SELECT asyncjob.cancel($cancelled)", verbose => 0);
$node->safe_psql('postgres', "UPDATE asyncjob.job SET free_retries = 20, failures = 2 WHERE id = $unlucky");
$node->safe_psql('postgres', "$kill $unlucky");
ok(aj_until($node, 'the coordinator to be held up', "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted)"),
	'the coordinator is between two statements');
$canceller->query_safe('COMMIT', verbose => 0);
$canceller->quit;
$holder->quit;
ok(aj_until($node, 'the cancelled job to end', "SELECT state = 'cancelled' FROM asyncjob.job WHERE id = $cancelled"),
	'a job that is cancelled meanwhile ends');
is($node->safe_psql('postgres', "SELECT count(*) FROM asyncjob.updates($cancelled) WHERE kind = 'state' AND state = 'running'"),
	1, 'and is not run again');

$node->stop;
done_testing();

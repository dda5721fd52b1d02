# External workers, with the engine preloaded and without: a lease that
# expires gives the step to others, listeners hear of work, claim_wait() wakes.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use AsyncJobTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $setup = <<'SQL';
SELECT asyncjob.create_queue('ext');
SELECT asyncjob.create_pipeline('ext', '[{"name": "a", "handler": "external", "backoff": ["0s"], "max_attempts": 100}]');
SELECT asyncjob.create_pipeline('items', '[{"name": "a", "handler": "external", "for_each": "$.params[*]", "max_attempts": 1}]');
SELECT asyncjob.create_pipeline('later', '[{"name": "a", "handler": "external", "backoff": ["1s"], "max_attempts": 100}]');
SQL

# Does a psql that LISTENs hear of the queue?
sub hears
{
	my ($psql, $node) = @_;
	my $end = time + $PostgreSQL::Test::Utils::timeout_default / 2;

	while (time < $end)
	{
		my $out = $psql->query('SELECT 1');
		return 1 if $out =~ /notification "asyncjob_queue_ext"/;
		select undef, undef, undef, 0.01;
	}
	return 0;
}

foreach my $preloaded (1, 0)
{
	my $how = $preloaded ? 'preloaded' : 'not preloaded';
	my $node = aj_node($preloaded ? 'ext' : 'ext_alone', bare => 1,
		conf => $preloaded ? "log_min_messages = error\n" : "shared_preload_libraries = ''\n");
	my ($id, $claim, $token, $took);

	$node->safe_psql('postgres', "CREATE EXTENSION asyncjob; $setup");

	# Work is announced.
	my $psql = $node->background_psql('postgres');
	$psql->query_safe('LISTEN asyncjob_queue_ext');
	$id = aj_submit($node, 'ext', args => "queue => 'ext'");
	ok(hears($psql), "$how: a submit is announced");
	$claim = $node->safe_psql('postgres',
		"SELECT job_id, attempt, token FROM asyncjob.claim('{ext}', 10, '1 s')");
	like($claim, qr/^$id\|1\|\d+$/, "$how: it is claimed");
	($token) = $claim =~ /(\d+)$/;

	# The lease expires while its worker still works.
	if ($preloaded)
	{
		ok(aj_until($node, 'the lease to end', "SELECT state = 'queued' FROM asyncjob.job WHERE id = $id"),
			"$how: the coordinator ends the lease");
		ok(hears($psql), "$how: that is announced");
	}
	else
	{
		ok(aj_until($node, 'the lease to expire', "SELECT expires_at < now() FROM asyncjob.lease"),
			"$how: the lease expires");
		is($node->safe_psql('postgres', "SELECT state FROM asyncjob.job WHERE id = $id"),
			'running', "$how: nobody has ended it yet");
	}
	$claim = $node->safe_psql('postgres', "SELECT job_id, attempt, token FROM asyncjob.claim('{ext}')");
	like($claim, qr/^$id\|2\|\d+$/, "$how: it is claimed again");
	my ($late, undef, $err) = $node->psql('postgres', "SELECT asyncjob.complete($id, $token, '1')");
	isnt($late, 0, "$how: the late worker cannot finish it");
	like($err, qr/is not held under token $token/, "$how: and is told why");
	($token) = $claim =~ /(\d+)$/;
	is($node->safe_psql('postgres', "SELECT asyncjob.complete($id, $token, '2')"),
		'completed', "$how: the other one finishes it");
	is($node->safe_psql('postgres', "SELECT asyncjob.result($id)"), '2', "$how: with its output");

	# A round that fails has announced nothing.
	if ($preloaded)
	{
		my $offset = -s $node->logfile;
		my $other = aj_submit($node, 'ext');

		$node->safe_psql('postgres', <<'SQL');
CREATE FUNCTION break() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'it is broken';
END $$;
CREATE TRIGGER break BEFORE DELETE ON asyncjob.lease FOR EACH ROW EXECUTE FUNCTION break();
SELECT FROM asyncjob.claim('{default}', 1, '100 ms');
SQL
		ok($node->wait_for_log(qr/ERROR:  it is broken/, $offset), "$how: a lease cannot be ended");
		$psql->query('SELECT 1');
		$offset = -s $node->logfile;
		$id = aj_submit($node, 'ext', args => "queue => 'ext', run_at => now() - interval '1 hour'");
		ok($node->wait_for_log(qr/ERROR:  it is broken/, $offset), "$how: nor when there is work");
		$node->safe_psql('postgres', "DROP TRIGGER break ON asyncjob.lease; DROP FUNCTION break(); SELECT asyncjob.cancel($other)");
		ok(hears($psql), "$how: which is announced when it can be");
		$token = $node->safe_psql('postgres', "SELECT token FROM asyncjob.claim('{ext}')");
		is($node->safe_psql('postgres', "SELECT asyncjob.complete($id, $token)"), 'completed', "$how: and done");
	}

	# A heartbeat holds it over the end of the first lease.
	$id = aj_submit($node, 'ext', args => "queue => 'ext'");
	$token = $node->safe_psql('postgres', "SELECT token FROM asyncjob.claim('{ext}', 1, '500 ms')");
	$node->safe_psql('postgres', "SELECT asyncjob.heartbeat($id, $token, '1 hour')");
	$node->safe_psql('postgres', "SELECT pg_sleep(0.7)");
	is($node->safe_psql('postgres', "SELECT count(*) FROM asyncjob.claim('{ext}')"),
		0, "$how: a heartbeat holds the job");
	is($node->safe_psql('postgres', "SELECT asyncjob.complete($id, $token)"), 'completed',
		"$how: and its worker finishes it");

	# claim_wait(): work that comes, work that falls due, and none.
	my $waiter = $node->background_psql('postgres');
	$waiter->query_until(qr/waiting/, "\\echo waiting\nCALL asyncjob.claim_wait('{ext}');\n");
	aj_until($node, 'somebody in claim_wait()',
		"SELECT count(*) > 0 FROM pg_stat_activity WHERE query LIKE 'CALL%' AND state = 'active' AND backend_xmin IS NULL");
	pass("$how: claim_wait() holds no snapshot while it waits");
	my $start = time;
	$id = aj_submit($node, 'ext', args => "queue => 'ext'");
	like($waiter->query('SELECT 1'), qr/"job_id": $id/, "$how: claim_wait() returns a job that comes");
	cmp_ok(time - $start, '<', 5, "$how: soon");
	$token = $node->safe_psql('postgres', "SELECT token FROM asyncjob.lease WHERE job_id = $id");
	is($node->safe_psql('postgres', "SELECT asyncjob.complete($id, $token)"), 'completed', "$how: its claim is committed");
	$id = aj_submit($node, 'ext', args => "queue => 'ext', run_at => now() + interval '500 ms'");
	like($node->safe_psql('postgres', "CALL asyncjob.claim_wait('{ext}')"), qr/"job_id": $id/,
		"$how: and one that falls due");
	($took, my $none) = aj_timed(sub { $node->safe_psql('postgres', "CALL asyncjob.claim_wait('{ext}', timeout => '300 ms')") });
	is($none, '[]', "$how: or nothing");
	cmp_ok($took, '>=', 0.3, "$how: after the timeout");

	# A restart in between: the lease is still there.
	$token = $node->safe_psql('postgres', "SELECT token FROM asyncjob.lease WHERE job_id = $id");
	$waiter->quit;
	$psql->quit;
	$node->stop('immediate');
	$node->start;
	is($node->safe_psql('postgres', "SELECT state FROM asyncjob.job WHERE id = $id"),
		'running', "$how: a lease outlives a crash");
	is($node->safe_psql('postgres', "SELECT asyncjob.complete($id, $token)"), 'completed',
		"$how: and its worker finishes the job");

	# Items of one job: the lease of one expires for good, so the job fails,
	# and the other isn't given to anybody any more.
	$id = aj_submit($node, 'items', params => '[1, 2]', args => "queue => 'ext'");
	like($node->safe_psql('postgres', "CALL asyncjob.claim_wait('{ext}', 1, '1 ms')"), qr/"item": 1/, "$how: an item is claimed");
	aj_until($node, 'the lease to expire', 'SELECT coalesce(bool_and(expires_at < now()), true) FROM asyncjob.lease');
	is($node->safe_psql('postgres', "SELECT count(*) FROM asyncjob.claim('{ext}')"), 0, "$how: when its lease has expired the others are not") if !$preloaded;
	ok(aj_until($node, 'the job to fail', "SELECT state = 'failed' FROM asyncjob.job WHERE id = $id"), "$how: the job has failed");

	# One is finished in a transaction that stays open: others' leases end all the same.
	$id = aj_submit($node, 'items', params => '[1, 2]', args => "queue => 'ext'");
	my $finisher = $node->background_psql('postgres');
	$node->safe_psql('postgres', "CALL asyncjob.claim_wait('{ext}', 1, '1 h')");
	my $hold = $node->safe_psql('postgres', "SELECT format('%s, %s', job_id, token) FROM asyncjob.lease");
	$finisher->query_safe("BEGIN; SELECT asyncjob.complete($hold)");
	$node->safe_psql('postgres', "CALL asyncjob.claim_wait('{ext}', 1, '1 ms')");
	my $other = aj_submit($node, 'ext', args => "queue => 'ext'");
	$node->safe_psql('postgres', "CALL asyncjob.claim_wait('{ext}', 1, '1 ms')");
	ok(aj_until($node, 'the lease of another job to end',
			$preloaded ? "SELECT state = 'queued' FROM asyncjob.job WHERE id = $other"
			: "SELECT job_id = $other FROM asyncjob.claim('{ext}', 1, '1 h')"),
		"$how: an open transaction of one holds up no other's");
	$finisher->query_safe('COMMIT');
	$finisher->quit;
	$node->safe_psql('postgres', "SELECT asyncjob.cancel($other)");
	ok(aj_until($node, 'the job to fail',
			'SELECT ' . ($preloaded ? '' : "(SELECT count(*) FROM asyncjob.claim('{ext}')) >= 0 AND ")
			. "state = 'failed' FROM asyncjob.job WHERE id = $id"),
		"$how: nor for ever its own job's");

	# A failed attempt is announced when its delay is over.
	$psql = $node->background_psql('postgres');
	$id = aj_submit($node, 'later', args => "queue => 'ext'");
	$token = $node->safe_psql('postgres', "SELECT token FROM asyncjob.claim('{ext}')");
	$node->safe_psql('postgres', "SELECT asyncjob.fail($id, $token, 'no luck')");
	is($node->safe_psql('postgres', "SELECT count(*) FROM asyncjob.claim('{ext}')"), 0, "$how: a failed attempt rests");
	$psql->query_safe('LISTEN asyncjob_queue_ext');
	ok(hears($psql), "$how: its end is announced") if $preloaded;
	like($node->safe_psql('postgres', "CALL asyncjob.claim_wait('{ext}')"), qr/"attempt": 2/,
		"$how: it is claimed when it is due");
	$psql->quit;
	aj_quiet_log($node) if !$preloaded;
	$node->stop;
}

done_testing();

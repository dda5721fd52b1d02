# External workers where nothing is preloaded: claim(), complete() and fail()
# get jobs going that begin with several steps, with conditions or with many
# items, and run nobody's code; drain() begins with the same jobs.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use AsyncJobTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = aj_node('alone', bare => 1, conf => "shared_preload_libraries = ''\n");
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION asyncjob;
CREATE ROLE owner LOGIN;
CREATE ROLE worker LOGIN;
SELECT asyncjob.grant_usage(r) FROM unnest(ARRAY['owner', 'worker']::regrole[]) r;
SELECT asyncjob.create_queue(q) FROM unnest(ARRAY['ext', 'mine']) q;
SELECT asyncjob.create_queue('one', max_running => 1);
SELECT asyncjob.grant_worker(q, 'worker') FROM unnest(ARRAY['ext', 'one']) q;
CREATE TABLE ran (who name NOT NULL, input jsonb);
GRANT SELECT, INSERT ON ran TO PUBLIC;
CREATE FUNCTION here(i jsonb) RETURNS jsonb LANGUAGE sql AS $$
    INSERT INTO public.ran VALUES (session_user, i) RETURNING input
$$;
SET ROLE owner;
SELECT asyncjob.create_pipeline('two', '[{"name": "a", "handler": "external", "after": []}, {"name": "b", "handler": "external", "after": []},
    {"name": "c", "handler": "public.here", "after": ["a", "b"]}]');
SELECT asyncjob.create_pipeline('items', '[{"name": "a", "handler": "external", "for_each": "$.params.n[*]", "max_attempts": 1}]');
SELECT asyncjob.create_pipeline('perhaps', '[{"name": "a", "handler": "external", "when": "$.params.a"}, {"name": "b", "handler": "external"}]');
SELECT asyncjob.create_pipeline('rather', '[{"name": "a", "handler": "external", "optional": true, "max_attempts": 1}, {"name": "b", "handler": "external"}]');
SELECT asyncjob.create_pipeline('never', '[{"name": "a", "handler": "external", "when": "$.params.a"}]');
SELECT asyncjob.create_pipeline('mixed', '[{"name": "a", "handler": "public.here", "after": []}, {"name": "b", "handler": "external", "after": [], "max_attempts": 1}]');
SQL

sub as
{
	my ($role, $sql) = @_;

	return $node->safe_psql('postgres', $sql, extra_params => [ '-U', $role ]);
}

sub submit
{
	my ($pipeline, $params, $queue) = @_;

	$queue //= 'ext';
	return as('owner', "SELECT asyncjob.submit('$pipeline', '$params', queue => '$queue')");
}

# Claims by the worker: "step input token" lines.
sub claim
{
	my ($n, $queue) = @_;

	$queue //= 'ext';
	return split /\n/, as('worker',
		"SELECT step, input, job_id, token FROM asyncjob.claim('{$queue}', $n) ORDER BY step, job_id");
}

# Finish a claimed step with its own name as output.
sub complete
{
	my ($step, undef, $job, $token) = split /\|/, $_[0];

	return as('worker', "SELECT asyncjob.complete($job, $token, '\"$step\"')");
}

sub briefly
{
	return join ' ', map { (split /\|/)[0] . (split /\|/)[1] } @_;
}

sub outcome
{
	return as('owner', "SELECT s.state, coalesce(asyncjob.result($_[0])::text, '') FROM asyncjob.status($_[0]) s");
}

my ($id, @claims);

# Several first steps.
$id = submit('two', '{"n": 1}');
@claims = claim(10);
is(briefly(@claims), 'a{"n": 1} b{"n": 1}', 'both first steps can be claimed');
is(complete($claims[1]), 'completed', 'one is finished');
is(outcome($id), 'waiting|', 'the job waits for the other');
complete($claims[0]);
is(outcome($id), 'queued|', 'then its next step is ready');
is(join('', claim(10)), '', 'which is none for external workers');
is(as('owner', 'SELECT asyncjob.drain()'), 1, 'the owner runs it');
is(outcome($id), 'completed|{"steps": {"a": "a", "b": "b"}, "params": {"n": 1}}', 'with the outputs of both');

# As many as are wanted, over several claims.
$id = submit('two', '2');
is(scalar(@claims = claim(1)), 1, 'one of the two');
is(scalar(push @claims, claim(1)), 2, 'and the other');
complete($_) foreach @claims;
as('owner', 'SELECT asyncjob.drain()');
like(outcome($id), qr/^completed/, 'make the job complete');

# Many items.
$id = submit('items', '{"n": [7, 8, 9]}');
@claims = claim(2);
is(scalar(@claims), 2, 'two of three items');
push @claims, claim(2);
is(scalar(@claims), 3, 'and the third');
like($claims[2], qr/"item": 9.*"item_no": 3/, 'with its number');
complete($_) foreach @claims;
is(outcome($id), 'completed|["a", "a", "a"]', 'with the last item the job is completed');
$id = submit('items', '{"n": []}');
is(join('', claim(10)), '', 'a job without items');
is(outcome($id), 'completed|[]', 'is completed when somebody looks');

# Conditions.
$id = submit('perhaps', '{"a": true}');
is(briefly(@claims = claim(10)), 'a{"a": true}', 'a step whose condition holds');
complete($claims[0]);
like(briefly(@claims = claim(10)), qr/^b/, 'and the next one');
complete($claims[0]);
like(outcome($id), qr/^completed/, 'complete the job');
$id = submit('perhaps', '{"a": false}');
like(briefly(@claims = claim(10)), qr/^b.*"a": null/, 'where it does not hold, the step after it');
complete($claims[0]);
$id = submit('never', '{"a": false}');
is(join('', claim(10)), '', 'a job of no step');
is(outcome($id), 'completed|null', 'is completed when somebody looks');

# Ours and theirs beside each other: a claim runs nothing of the owner's.
$node->safe_psql('postgres', 'TRUNCATE ran');
$id = submit('mixed', '{"m": 1}');
is(briefly(@claims = claim(10)), 'b{"m": 1}', 'the external one of two first steps');
complete($claims[0]);
is($node->safe_psql('postgres', 'SELECT count(*) FROM ran'), 0, 'the other one was run by nobody');
is(as('owner', 'SELECT asyncjob.drain()'), 1, 'but by its owner');
is($node->safe_psql('postgres', 'SELECT who FROM ran'), 'owner', 'as that role');
is(outcome($id), 'completed|{"a": {"m": 1}, "b": "b"}', 'and the job is complete');

# drain() first.
$id = submit('mixed', '{"m": 2}');
is(as('owner', 'SELECT asyncjob.drain()'), 1, 'the owner may begin, too');
is(as('owner', 'SELECT asyncjob.drain()'), 0, 'once');
is(briefly(@claims = claim(10)), 'b{"m": 2}', 'and leaves the external step to others');
complete($claims[0]);
like(outcome($id), qr/^completed/, 'with which the job is complete');
$id = submit('never', '{"a": false}');
is(as('owner', 'SELECT asyncjob.drain()'), 0, 'a job of no step has nothing to run');
like(outcome($id), qr/^completed/, 'but ends with drain()');
my $plain = submit('perhaps', '{"a": true}');
is(as('owner', "SELECT asyncjob.drain(); SELECT seq FROM asyncjob.job WHERE id = $plain"), "0\n1",
	'a job that stands at its external step is left alone');
@claims = claim(10);
complete($claims[0]);
@claims = claim(10);
complete($claims[0]);

# Failure, and again.
$id = submit('mixed', '{"m": 3}');
as('owner', 'SELECT asyncjob.drain()');
(undef, undef, my $job, my $token) = split /\|/, (claim(1))[0];
is(as('worker', "SELECT asyncjob.fail($job, $token, 'no luck')"), 'failed', 'an external step fails for good');
like(outcome($id), qr/^failed/, 'and the job with it');
as('owner', "SELECT asyncjob.retry($id)");
is(briefly(@claims = claim(10)), 'b{"m": 3}', 'after a retry it can be claimed again');
complete($claims[0]);
like(outcome($id), qr/^completed/, 'and completes the job');

# A lease that expires with the last attempt.
$id = submit('items', '{"n": [1, 2]}');
as('worker', "SELECT FROM asyncjob.claim('{ext}', 1, '1 ms')");
aj_until($node, 'the lease to expire', 'SELECT expires_at < now() FROM asyncjob.lease');
claim(1);
like(outcome($id), qr/^failed/, 'a lease that expired with the last attempt fails the job');

# One that was optional is followed by the next, which is external, too.
$id = submit('rather', '1');
as('worker', "SELECT FROM asyncjob.claim('{ext}', 1, '1 ms')");
aj_until($node, 'the lease to expire', 'SELECT expires_at < now() FROM asyncjob.lease');
like(briefly(@claims = claim(1)), qr/^b/, 'after a step that was optional the next one can be claimed');
complete($claims[0]);
is(outcome($id), 'completed|"b"', 'and completes the job');

# Limits.
my @two = map { submit('items', '{"n": [1, 2]}', 'one') } 1 .. 2;
is(scalar(@claims = claim(10, 'one')), 2, 'of two jobs of a queue with max_running 1, the items of one');
is(scalar(claim(10, 'one')), 0, 'and no more');
complete($_) foreach @claims;
is(scalar(@claims = claim(10, 'one')), 2, 'until it has ended');

complete($_) foreach @claims;
$id = submit('mixed', '{"m": 4}', 'one');
my $behind = submit('mixed', '{"m": 5}', 'one');
is(as('owner', 'SELECT asyncjob.drain()'), 1, 'drain() begins one of them, too');
is(as('owner', "SELECT state FROM asyncjob.job WHERE id = $behind"), 'waiting', 'while the other waits');
is(briefly(@claims = claim(10, 'one')), 'b{"m": 4}', 'its external step can be claimed');
complete($claims[0]);
like(outcome($id), qr/^completed/, 'and completes it');
is(briefly(@claims = claim(10, 'one')), 'b{"m": 5}', 'then the other');
complete($claims[0]);
is(as('owner', 'SELECT asyncjob.drain()'), 1, 'has its turn');
like(outcome($behind), qr/^completed/, 'and completes');
$id = as('owner', "SET asyncjob.synchronous = on; SELECT asyncjob.submit('mixed', '{\"m\": 6}', queue => 'one')");
is(briefly(@claims = claim(10, 'one')), 'b{"m": 6}', 'of a synchronous one the external step is left');
complete($claims[0]);
like(outcome($id), qr/^completed/, 'and completes it');

# Too much is refused to the job, not to the worker.
$id = as('owner', "SELECT asyncjob.submit('items', jsonb_build_object('n', (SELECT jsonb_agg(i) FROM generate_series(1, 10001) i)), queue => 'ext')");
my $next = submit('two', '{"n": 5}');
is(scalar(@claims = claim(10)), 2, 'a job with too many items is in nobody\'s way');
like(as('owner', "SELECT state, error_message FROM asyncjob.status($id)"),
	qr/failed\|for_each of step "a" finds more than 10000 items/, 'and has failed');
complete($_) foreach @claims;

# asyncjob.synchronous begins such a job, too.
is(as('owner', "SET asyncjob.synchronous = on; SELECT s.state FROM asyncjob.submit('mixed', '{}', queue => 'mine') j, asyncjob.status(j) s"),
	'waiting', 'asyncjob.synchronous runs what is ours');
is($node->safe_psql('postgres', "SELECT count(*) FROM asyncjob.job WHERE queue_id = (SELECT id FROM asyncjob.queue WHERE name = 'mine') AND state = 'queued'"),
	1, 'and leaves the external step');

# Figures: of jobs, and none of what shared memory would have.
like(as('owner', 'SELECT asyncjob.metrics()'), qr/^asyncjob_up 0\n.*^asyncjob_last_hour_jobs\{pipeline="mixed",state="completed"\} \d+\n.*# EOF$/ms,
	'metrics() tells what there is');
is(as('owner', 'SELECT count(*) FROM asyncjob.latency_stats()'), 0, 'latency_stats() has nothing to tell');

# Nobody is taken for the coordinator by the name he gives himself.
my $pretender = $node->background_psql('postgres', extra_params => [ '-U', 'worker' ]);
$pretender->query_safe("SET application_name = 'asyncjob coordinator'");
is(as('owner', "SELECT ok FROM asyncjob.check() WHERE item = 'coordinator'"), 'f', 'check() does not believe a name');
like(as('owner', 'SELECT asyncjob.metrics()'), qr/^asyncjob_up 0$/m, 'nor does metrics()');
$pretender->quit;

aj_quiet_log($node);
$node->stop;
done_testing();

# A session that sits in a transaction with rows of its jobs locked holds up
# nobody but its own role: the coordinator waits for no such row.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use AsyncJobTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = aj_node('main', conf => "max_prepared_transactions = 5\nlog_min_messages = error\n");
my @mallory = (extra_params => [ '-U', 'mallory' ]);

aj_role($node, $_) for qw(mallory app);
$node->safe_psql('postgres', <<'SQL');
CREATE FUNCTION waits(p jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    RETURN asyncjob.wait_for_event('go', p ->> 'key');
END $$;
SELECT asyncjob.create_pipeline('waits', '[{"name": "a", "handler": "public.waits"}]');
SELECT asyncjob.create_pipeline('diamond', '[
    {"name": "a", "handler": "public.quick"},
    {"name": "b", "handler": "public.gated", "after": ["a"]},
    {"name": "c", "handler": "public.quick", "after": ["a"]},
    {"name": "d", "handler": "public.quick", "after": ["b", "c"]}]');
SELECT asyncjob.create_pipeline('outside', '[{"name": "a", "handler": "external", "backoff": "0 s"}]');
SELECT asyncjob.grant_pipeline(p, r::regrole) FROM unnest(ARRAY['waits', 'diamond', 'outside']) p,
    unnest(ARRAY['mallory', 'app']) r;
SELECT asyncjob.create_queue('narrow', max_running => 1);
SQL

# Everybody's work that depends on the coordinator: an event wakes a job.
my $n = 0;

sub others_go_on
{
	my ($while) = @_;
	my $id = aj_submit($node, 'waits', as => 'app', params => '{"key": "' . ++$n . '"}');

	aj_until($node, "job $id to wait", "SELECT state = 'waiting' FROM asyncjob.status($id)");
	$node->safe_psql('postgres', "SELECT asyncjob.emit('go', '1', '$n')", extra_params => [ '-U', 'app' ]);
	is( $node->safe_psql('postgres', "SELECT state FROM asyncjob.wait($id, '20 s')"),
		'completed', "$while: another role's job is woken");
	return;
}

# Mallory's session, with what it holds.
my $session;

sub hold
{
	my ($sql) = @_;

	$session = $node->background_psql('postgres', @mallory);
	$session->set_query_timer_restart;
	$session->query_safe('BEGIN', verbose => 0);
	$session->query_safe($sql, verbose => 0);
	return;
}

sub let_go
{
	$session->query_safe('ROLLBACK', verbose => 0);
	$session->quit;
	return;
}

sub kill_workers
{
	$node->safe_psql('postgres', <<'SQL', @mallory);
SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
WHERE backend_type = 'asyncjob worker' AND usename = 'mallory'
SQL
	return;
}

my $id = aj_submit($node, 'waits', as => 'mallory', params => '{"key": "m"}');
aj_until($node, "job $id to wait", "SELECT state = 'waiting' FROM asyncjob.status($id)");
hold("SELECT asyncjob.cancel($id)");
$node->safe_psql('postgres', q{SELECT asyncjob.emit('go', '"m"', 'm')}, @mallory);
others_go_on('cancel() of a job whose event has come');
let_go();
is(aj_wait($node, $id), 'completed', 'the event is delivered when the row is free');
is($node->safe_psql('postgres', "SELECT asyncjob.result($id)"), '"m"', 'it is that event');

my $subscription = $node->safe_psql('postgres', q{SELECT asyncjob.on_event('news', 'noop')}, @mallory);
hold("SELECT asyncjob.drop_on_event($subscription)");
$node->safe_psql('postgres', q{SELECT asyncjob.emit('news', '{"n": 1}')}, @mallory);
others_go_on('drop_on_event() of a subscription that is to be fired');
let_go();
is($node->safe_psql('postgres', q{SELECT count(*) FROM asyncjob.job WHERE params = '{"n": 1}'}),
	1, 'it was fired once');

aj_gate($node, 0);
$id = aj_submit($node, 'gated', as => 'mallory');
aj_in_step($node, $id);
hold("SELECT asyncjob.pin($id, '1 hour')");
kill_workers();
others_go_on('pin() of a job whose worker is lost');
let_go();
aj_until($node, "job $id to be given back",
	"SELECT state <> 'running' OR EXISTS (SELECT FROM asyncjob.workers() w WHERE w.job_id = $id) FROM asyncjob.status($id)");
aj_gate($node, 1);
is(aj_wait($node, $id), 'completed', 'it is run again when its row is free');

# The worker_id of a job that one of our workers has is no token.
aj_gate($node, 0);
$id = aj_submit($node, 'gated', as => 'mallory');
aj_in_step($node, $id);
for my $token ("-(SELECT worker_id FROM asyncjob.job WHERE id = $id)", 0)
{
	my ($rc, undef, $error) = $node->psql('postgres', "SELECT asyncjob.complete($id, $token, '1')", @mallory);
	isnt($rc, 0, 'complete() of a job that a worker of the database runs is refused');
	like($error, qr/is not held under token/, 'by its token');
}
aj_gate($node, 1);
is(aj_wait($node, $id), 'completed', 'its worker ends it');

aj_gate($node, 0);
$id = aj_submit($node, 'diamond', as => 'mallory');
aj_until($node, 'one branch to be left', "SELECT count(*) = 1 AND bool_and(state = 'running') FROM asyncjob.job WHERE parent_id = $id");
hold("SELECT asyncjob.pin($id, '1 hour')");
aj_gate($node, 1);
aj_until($node, 'it to end', "SELECT count(*) = 1 FROM asyncjob.job WHERE parent_id = $id AND state = 'completed'");
kill_workers();
others_go_on('pin() of a job whose steps have ended');
let_go();
is(aj_wait($node, $id), 'completed', 'it goes on when its row is free');

# An expired lease of a job that is locked stands before no other.
$id = aj_submit($node, 'outside', as => 'mallory');
my $token = $node->safe_psql('postgres', q{SELECT token FROM asyncjob.claim('{default}', 1, '1 ms')}, @mallory);
hold("SELECT asyncjob.pin($id, '1 hour')");
others_go_on('pin() of a job whose lease has expired');
let_go();
aj_until($node, 'the lease to be ended', "SELECT state = 'queued' FROM asyncjob.status($id)");

$id = aj_submit($node, 'noop', as => 'mallory');
aj_wait($node, $id);
$node->safe_psql('postgres', "SELECT asyncjob.pin($id, '1 ms')", @mallory);
hold("SELECT asyncjob.unpin($id)");
others_go_on('unpin() of a job that is pinned no longer');
let_go();

# drain() and claim() take care of their own role's jobs only.
$id = aj_submit($node, 'waits', as => 'app', params => '{"key": "d"}');
aj_until($node, "job $id to wait", "SELECT state = 'waiting' FROM asyncjob.status($id)");
$node->safe_psql('postgres', 'ALTER SYSTEM SET asyncjob.enabled = off; SELECT pg_reload_conf()');
aj_until($node, 'the engine to rest', "SELECT current_setting('asyncjob.enabled') = 'off' AND NOT EXISTS (SELECT FROM asyncjob.workers())");
aj_rounds($node, 'postgres', 2);
$node->safe_psql('postgres', q{SELECT asyncjob.emit('go', '"d"', 'd')}, extra_params => [ '-U', 'app' ]);
my $narrow = aj_submit($node, 'noop', as => 'app', args => "queue => 'narrow'");
hold("SELECT asyncjob.drain(); SELECT count(*) FROM asyncjob.claim('{narrow}', 1)");
$node->safe_psql('postgres', 'ALTER SYSTEM RESET asyncjob.enabled; SELECT pg_reload_conf()');
is(aj_wait($node, $id), 'completed', 'drain() of another role holds no event');
is(aj_wait($node, $narrow), 'completed', 'nor a queue with limits');
let_go();

# A prepared transaction holds locks over a restart.
aj_gate($node, 0);
$id = aj_submit($node, 'gated', as => 'mallory');
aj_in_step($node, $id);
$node->safe_psql('postgres', "BEGIN; SELECT asyncjob.pin($id, '1 hour'); PREPARE TRANSACTION 'mine'", @mallory);
$node->stop('immediate');
$node->start;
others_go_on('a prepared transaction with a job that was running');
$node->safe_psql('postgres', "ROLLBACK PREPARED 'mine'", @mallory);
aj_in_step($node, $id);
is($node->safe_psql('postgres', "SELECT free_retries FROM asyncjob.job WHERE id = $id"),
	0, 'the shutdown is charged to nobody, however late it is given back');
aj_gate($node, 1);
is(aj_wait($node, $id), 'completed', 'it is run again when its row is free');

# A part of a round that fails rests, whatever news there is for it.
$node->safe_psql('postgres', <<'SQL');
CREATE FUNCTION sleeps(p jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    PERFORM asyncjob.sleep('nap', '200 ms');
    RETURN p;
END $$;
SELECT asyncjob.create_pipeline('sleeps', '[{"name": "a", "handler": "public.sleeps"}]');
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'not to be woken';
END $$;
CREATE TRIGGER refuse BEFORE UPDATE ON asyncjob.job FOR EACH ROW
    WHEN (old.state = 'waiting' AND new.state = 'queued') EXECUTE FUNCTION refuse();
SQL
my $from = -s $node->logfile;
my ($took) = aj_timed(sub {
	$id = aj_submit($node, 'sleeps');
	$node->wait_for_log(qr/not to be woken/, $from);
	$node->safe_psql('postgres', join ';', map { "SELECT asyncjob.emit('nobody')" } 1 .. 10) for 1 .. 20;
});
my $errors = () = slurp_file($node->logfile, $from) =~ /ERROR: .*not to be woken/g;
cmp_ok($errors, '<=', $took + 1, 'what fails is not tried for each event, but once a second');
$node->safe_psql('postgres', 'DROP TRIGGER refuse ON asyncjob.job');
is(aj_wait($node, $id), 'completed', 'and in the end done');

aj_quiet_log($node);
$node->stop;
done_testing();

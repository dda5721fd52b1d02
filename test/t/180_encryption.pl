# Encrypted queues on a running server: what is on the disk, in dumps and in
# the log, keys that change and vanish while jobs run, and workers that are
# killed meanwhile.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use AsyncJobTest;
use File::Find;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $keys = PostgreSQL::Test::Utils::tempdir() . '/keys';
my %secret = map { $_ => "Key-$_-" . join('', map { sprintf '%02x', rand 256 } 1 .. 32) } 1 .. 3;

# The key file gets these keys, the last one current; none: it is removed.
sub set_keys
{
	my @ids = @_;

	if (!@ids)
	{
		unlink $keys or die "unlink: $!";
		return;
	}
	open(my $f, '>', "$keys.new") or die "open: $!";
	chmod 0600, "$keys.new";
	print $f "k$_ $secret{$_}\n" for @ids;
	close $f;
	rename "$keys.new", $keys or die "rename: $!";
	return;
}

set_keys(1);
my $node = aj_node('encryption', conf => <<CONF);
asyncjob.encryption_key_file = '$keys'
asyncjob.max_workers = 3
restart_after_crash = on
fsync = off
log_min_messages = info
CONF
aj_role($node, 'app');
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION pgcrypto;
SELECT asyncjob.create_queue('enc', encrypt => true);
SELECT asyncjob.create_queue('clear');
CREATE FUNCTION talk(a jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    PERFORM asyncjob.log('info', 'log ' || (a ->> 'name'), a);
    RAISE WARNING 'warned of %', a ->> 'name' USING DETAIL = a::text, HINT = 'mail ann@mail.example';
    PERFORM asyncjob.checkpoint('memo', a);
    PERFORM asyncjob.artifact('report.txt', 'text', 'text/plain', convert_to(repeat(a ->> 'name', 1000), 'UTF8'));
    IF a ? 'fail' THEN
        RAISE EXCEPTION 'failed for %', a ->> 'name' USING DETAIL = a::text, ERRCODE = 'AJ001';
    END IF;
    RETURN a;
END $$;
GRANT EXECUTE ON FUNCTION talk(jsonb) TO app;
SELECT asyncjob.create_pipeline('talk', '[{"name": "a", "handler": "public.talk"}, {"name": "b", "handler": "asyncjob.step_noop"},
    {"name": "x", "handler": "public.quick", "after": ["a"]}]');
SELECT asyncjob.create_pipeline('short', '[{"name": "a", "handler": "public.quick"}, {"name": "b", "handler": "asyncjob.step_noop"}]');
SELECT asyncjob.create_pipeline('keys', '[{"name": "a", "handler": "asyncjob.reencrypt"}]');
SELECT asyncjob.grant_pipeline(p, 'app') FROM unnest('{talk,short}'::text[]) p;
SQL
my @app = (extra_params => [ '-U', 'app' ]);

# Put together, so that the marks stand in no statement.
my $sent = $node->safe_psql('postgres', <<'SQL', @app);
SELECT asyncjob.submit('talk', jsonb_build_object('name', 'Plain' || 'TextMark', 'n', n), queue => 'enc') FROM generate_series(1, 20) n;
SELECT asyncjob.submit('talk', jsonb_build_object('name', 'Plain' || 'TextMark', 'fail', true), queue => 'enc');
SELECT asyncjob.submit('talk', jsonb_build_object('name', 'Clear' || 'TextMark'), queue => 'clear');
SELECT count(asyncjob.submit('noop', jsonb_build_object('name', 'Plain' || 'TextMark', 'n', n), queue => 'enc')) FROM generate_series(1, 1000) n;
SQL
my @sent = split /\n/, $sent;
ok(aj_until($node, 'all jobs to end', "SELECT bool_and(state IN ('completed', 'failed')) FROM asyncjob.job"), 'jobs run');
is($node->safe_psql('postgres', "SELECT state, count(*) FROM asyncjob.job WHERE item_no IS NULL GROUP BY 1 ORDER BY 1"),
	"completed|1021\nfailed|1", 'and end as they should');
is($node->safe_psql('postgres', "SELECT count(*) FROM asyncjob.job j WHERE asyncjob.result(id) ->> 'name' = 'Plain' || 'TextMark'"
		. " AND pipeline_id = (SELECT id FROM asyncjob.pipeline WHERE name = 'noop') AND (asyncjob.result(id) ->> 'n')::int BETWEEN 1 AND 1000", @app),
	'1000', 'results of a batch are each job\'s own');
is($node->safe_psql('postgres', "SELECT error_message FROM asyncjob.status($sent[20])", @app), 'failed for PlainTextMark', 'the owner reads the error');

# On the disk, in the WAL, in a dump, in the log.
$node->safe_psql('postgres', 'CHECKPOINT');
sub files_with
{
	my ($mark, @dirs) = @_;
	my @found;

	find({ no_chdir => 1, wanted => sub {
		return unless -f $_;
		push @found, $_ if index(slurp_file($_), $mark) >= 0;
	} }, @dirs);
	return @found;
}
my @dirs = map { $node->data_dir . "/$_" } qw(base pg_wal pg_stat pg_xact global);
is_deeply([ files_with('PlainTextMark', @dirs) ], [], 'no plaintext is on the disk');
isnt(scalar files_with('ClearTextMark', @dirs), 0, 'which this would have found');
my $dump = PostgreSQL::Test::Utils::tempdir() . '/dump.sql';
$node->command_ok([ 'pg_dump', '-f', $dump, '-h', $node->host, '-p', $node->port, 'postgres' ], 'a dump');
unlike(slurp_file($dump), qr/PlainTextMark/, 'has no plaintext');
like(slurp_file($dump), qr/ClearTextMark/, 'which this would have found');
like(slurp_file($dump), qr/\$encrypted/, 'but ciphertext');
unlike(slurp_file($node->logfile), qr/PlainTextMark/, 'nor has the log');
like(slurp_file($node->logfile), qr/WARNING:  a message of job $sent[0], which is encrypted, is not shown/, 'where a handler spoke');
like(slurp_file($node->logfile), qr/WARNING:  warned of ClearTextMark.*mail ann\@mail\.example/s, 'others are heard');

# Personal data in what a worker logs.
$node->safe_psql('postgres', "SELECT asyncjob.set_redaction('email'), asyncjob.set_redaction('mark', 'other[0-9]')");
my $offset = -s $node->logfile;
my $redacted = aj_submit($node, 'talk', as => 'app', params => '{"name": "OTHER" , "x": "other7"}', args => "queue => 'clear'");
is(aj_wait($node, $redacted), 'completed', 'a job while things are redacted');
my $log = slurp_file($node->logfile, $offset);
like($log, qr/WARNING:  warned of OTHER\b.*\[mark\].*mail \[email\]/s, 'a worker\'s log is redacted');
unlike($log, qr/ann\@mail|other7/, 'all of it');
$node->safe_psql('postgres', 'SELECT asyncjob.drop_redaction(name) FROM asyncjob.redaction');

# The key is shown nowhere.
is_deeply([ grep { index(slurp_file($_), $secret{1}) >= 0 } $node->logfile, $dump ], [], 'no key in log or dump');
is_deeply([ files_with($secret{1}, $node->data_dir) ], [], 'nor in the data directory');
like(($node->psql('postgres', 'SHOW asyncjob.encryption_key_file', @app))[2], qr/permission denied|must be superuser/, 'not even its file, for others');
is(index($node->safe_psql('postgres', 'SELECT s FROM pg_settings s; SELECT a FROM pg_stat_activity a; SELECT f FROM pg_file_settings f'), $secret{1}),
	-1, 'nor in views');

# A key changes while a step runs, jobs are queued and workers are killed.
$node->safe_psql('postgres', 'TRUNCATE effects');
my $gated = aj_submit($node, 'gated', as => 'app', params => '{"gated": 1}', args => "queue => 'enc'");
aj_in_step($node, $gated);
my @run = split /\n/, $node->safe_psql('postgres',
	"SELECT asyncjob.submit('short', jsonb_build_object('n', n), queue => 'enc', run_at => CASE WHEN n > 300 THEN now() + interval '1 h' END) FROM generate_series(1, 400) n", @app);
set_keys(1, 2);
my $rotation = $node->safe_psql('postgres', "SELECT asyncjob.submit('keys', '{\"batch\": 7}')");
# whoever holds the server up by a crash runs alone, so not the one at the gate
my ($busy) = $node->safe_psql('postgres', "SELECT pid FROM asyncjob.workers() WHERE job_id = $gated");
my ($victim) = grep { $_ != $busy } aj_pids($node, 'worker');
kill 'KILL', $victim if defined $victim;
ok(defined $victim, 'a worker is killed');
aj_until($node, 'the rotation to end', "SELECT state IN ('completed', 'failed') FROM asyncjob.job WHERE id = $rotation");
is(aj_status($node, $rotation, 'state'), 'completed', 'the rotation ends, a crash in between');
aj_in_step($node, $gated);
$node->safe_psql('postgres', 'CALL asyncjob.reencrypt()');
is($node->safe_psql('postgres', "SELECT key_id, is_current, in_use > 0 FROM asyncjob.encryption_keys()"),
	"k1|f|f\nk2|t|t", 'nothing is left under the old key');
set_keys(2);
aj_gate($node, 1);
is(aj_wait($node, $gated), 'completed', 'the step that began under the old key ends');
$node->safe_psql('postgres', "UPDATE asyncjob.job SET run_at = now() WHERE run_at > now() AND state = 'queued'");
ok(aj_until($node, 'all jobs to end', "SELECT bool_and(state = 'completed') FROM asyncjob.job WHERE id BETWEEN $run[0] AND $run[-1]"), 'all others too');
is($node->safe_psql('postgres', "SELECT count(*), count(DISTINCT job) FROM effects WHERE job BETWEEN $run[0] AND $run[-1]"), '400|400', 'each effect once');
is($node->safe_psql('postgres', "SELECT count(*) FROM generate_series(0, 399) n WHERE asyncjob.params($run[0] + n) = jsonb_build_object('n', n + 1)"
		. " AND asyncjob.result($run[0] + n) #> '{params,n}' = to_jsonb(n + 1)", @app), '400', 'with their params and results');
is($node->safe_psql('postgres', "SELECT asyncjob.result($sent[0]) -> 'b' -> 'params' ->> 'name'", @app), 'PlainTextMark', 'what was encrypted before opens');
is($node->safe_psql('postgres', "SELECT DISTINCT split_part(result ->> '\$encrypted', ':', 1) FROM asyncjob.job WHERE id IN ($gated, $run[0], $sent[0])"), 'k2', 'by the new key');

# A key vanishes and comes back.
my @wait = split /\n/, $node->safe_psql('postgres',
	"SELECT asyncjob.submit(p, '{\"n\": 1, \"name\": \"a\"}', queue => 'enc', run_at => now() + interval '1 h') FROM unnest('{short,noop,talk}'::text[]) p", @app);
my $ids = join ',', @wait;
$node->safe_psql('postgres', q{SELECT asyncjob.create_pipeline('outside', '[{"name": "a", "handler": "external"}]')});
my $outside = aj_submit($node, 'outside', args => "queue => 'enc'");
set_keys(3);
$node->safe_psql('postgres', "UPDATE asyncjob.job SET run_at = now() WHERE id IN ($ids)");
$node->restart;
ok(aj_until($node, 'jobs to be put aside', "SELECT bool_and(waiting_for = 'key') FROM asyncjob.job WHERE id IN ($ids)"), 'without the key jobs wait');
like($node->safe_psql('postgres', "SELECT asyncjob.explain($wait[0])", @app), qr/Key "k2" is not available/, 'and say for what');
my $clear = aj_submit($node, 'short', as => 'app', args => "queue => 'clear'");
is(aj_wait($node, $clear), 'completed', 'others run');
my $new = aj_submit($node, 'short', as => 'app', args => "queue => 'enc'");
is(aj_wait($node, $new), 'completed', 'also new ones of that queue, under the key there is');
my $seq = $node->safe_psql('postgres', "SELECT sum(seq) FROM asyncjob.job WHERE id IN ($ids)");
aj_rounds($node, 'postgres', 10);
is($node->safe_psql('postgres', "SELECT sum(seq) FROM asyncjob.job WHERE id IN ($ids)"), $seq, 'those that wait make no history meanwhile');
is($node->safe_psql('postgres', "SELECT count(*) FROM asyncjob.claim('{enc}')"), '0', 'nor can an external worker have one');
is($node->safe_psql('postgres', "SELECT waiting_for FROM asyncjob.job WHERE id = $outside"), 'key', 'it is put aside, too');
# as if the key had been away for long
$node->safe_psql('postgres', "UPDATE asyncjob.job SET run_at = now() - interval '1 min' WHERE id = $outside");
my $listener = $node->background_psql('postgres');
$listener->query_safe('LISTEN asyncjob_queue_enc');
set_keys(3, 2);
is(aj_wait($node, $_), 'completed', 'and go on when it is back') for @wait;
is($node->safe_psql('postgres', "SELECT sum(attempt) FROM asyncjob.job, asyncjob.status(id) WHERE id IN ($ids)", @app), '3', 'at their first attempt');
ok(aj_until($node, 'the external job to be queued', "SELECT state = 'queued' FROM asyncjob.job WHERE id = $outside"), 'the external one is queued');
my $heard = '';
my $heard_until = time + $PostgreSQL::Test::Utils::timeout_default / 2;
$heard .= $listener->query('SELECT pg_sleep(0.01)') while $heard !~ /notification "asyncjob_queue_enc"/ && time < $heard_until;
like($heard, qr/notification "asyncjob_queue_enc"/, 'and external workers hear of it');
$listener->quit;
is($node->safe_psql('postgres', "SELECT job_id FROM asyncjob.claim('{enc}')"), $outside, 'and claim it');

# No keys at all, and while a step runs.
aj_gate($node, 0);
$gated = aj_submit($node, 'gated', as => 'app', params => '{"gated": 2}', args => "queue => 'enc'");
aj_in_step($node, $gated);
set_keys();
aj_gate($node, 1);
ok(aj_until($node, 'the job to be put aside', "SELECT waiting_for = 'key' FROM asyncjob.job WHERE id = $gated"), 'what cannot be stored is not, and the job waits');
like($node->safe_psql('postgres', "SELECT asyncjob.explain($gated)"), qr/cannot be opened/, 'and says why');
is($node->safe_psql('postgres', "SELECT status, p ->> 'item' FROM asyncjob.health(), jsonb_array_elements(problems) p WHERE p ->> 'item' = 'encryption'"),
	'degraded|encryption', 'other queues go on, so the server is not down');
set_keys(3, 2);
is(aj_wait($node, $gated), 'completed', 'and goes on');
is(aj_status($node, $gated, 'attempt'), '1', 'no attempt was spent');
my $marks = join '|', 'PlainTextMark', values %secret;
unlike(slurp_file($node->logfile), qr/$marks/, 'the log has no plaintext and no key to the end');
$node->stop;
done_testing();

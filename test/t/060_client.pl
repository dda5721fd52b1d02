# The asyncjob command: exit codes, what it prints, and what it does when a
# job fails, is cancelled, or the server goes away in between.

use strict;
use warnings;

use Digest::SHA qw(sha256_hex);
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my $node = PostgreSQL::Test::Cluster->new('client');
$node->init;
$node->start;
$node->safe_psql('postgres', 'CREATE DATABASE bare');
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION asyncjob;

CREATE FUNCTION quick(jsonb) RETURNS jsonb LANGUAGE sql
    AS $$ SELECT jsonb_build_object('done', true) $$;

CREATE FUNCTION boom(jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the mast fell over' USING ERRCODE = 'AJ001',
        DETAIL = 'It was 80 m high.', HINT = 'Put it up again.';
END $$;

-- Sleeps $.seconds in a hundred pieces and says how far it is.
CREATE FUNCTION slow(a jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    seconds float8 := coalesce(a #>> '{params,seconds}', a ->> 'seconds')::float8;
BEGIN
    PERFORM asyncjob.log('info', 'slow begins');
    FOR i IN 1 .. 100 LOOP
        PERFORM pg_sleep(seconds / 100);
        PERFORM asyncjob.progress(i / 100.0, format('piece %s of 100', i));
    END LOOP;
    RETURN jsonb_build_object('slept', seconds);
END $$;

CREATE FUNCTION make(jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    PERFORM asyncjob.artifact('table', 'numbers', 'text/csv', convert_to(E'a,b\n1,2.5\n', 'UTF8'));
    PERFORM asyncjob.artifact('blob', 'numbers', 'application/octet-stream',
        (SELECT string_agg(sha256(n::text::bytea), '' ORDER BY n) FROM generate_series(1, 80000) n));
    RETURN '{}';
END $$;

SELECT asyncjob.create_pipeline('makes', '[{"name": "make", "handler": "public.make"}]');
SELECT asyncjob.create_pipeline('fails',
    '[{"name": "first", "handler": "public.quick"},
      {"name": "second", "handler": "public.boom", "after": ["first"]}]');
SELECT asyncjob.create_pipeline('slow',
    '[{"name": "first", "handler": "public.quick"},
      {"name": "second", "handler": "public.slow", "after": ["first"]}]');
SQL

my $dir = PostgreSQL::Test::Utils::tempdir();
local %ENV = (
	%ENV,
	PGHOST => $node->host,
	PGPORT => $node->port,
	PGDATABASE => 'postgres',
	PGUSER => $node->safe_psql('postgres', 'SELECT current_user'),
	NO_COLOR => '1');

# Run the command; returns its exit code, standard output and error.
sub client
{
	my ($stdin, @args) = @_;
	my ($out, $err) = ('', '');

	IPC::Run::run([ 'asyncjob', @args ], \$stdin, \$out, \$err,
		IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	return ($? >> 8, $out, $err);
}

# One call and what is to be true of it.
sub client_is
{
	my ($name, $args, $code, $out_like, $err_like) = @_;
	my ($rc, $out, $err) = client('', @$args);

	is($rc, $code, "$name: exit code");
	like($out, $out_like, "$name: standard output");
	like($err, $err_like, "$name: standard error");
	return $out;
}

sub submit
{
	my ($rc, $out, $err) = client('', 'submit', @_);

	die "submit failed: $err" if $rc != 0;
	chomp $out;
	return $out;
}

sub wait_for_state
{
	my ($job, $states) = @_;

	$node->poll_query_until('postgres',
		"SELECT state::text IN ($states) FROM asyncjob.status($job)")
	  or die "job $job does not come to $states";
}

my $none = qr/\A\z/;

# ---- words and options -------------------------------------------------
my $help = client_is('--help', ['--help'], 0, qr/Exit codes:/, $none);
like($help, qr/^  $_ /m, "--help explains exit code $_") foreach (0 .. 4, 130);
is((grep { length > 80 } split /\n/, $help), 0, '--help fits 80 columns');
my $version = $node->safe_psql('postgres',
	"SELECT extversion FROM pg_extension WHERE extname = 'asyncjob'");
client_is('--version', ['--version'], 0, qr/\Aasyncjob \Q$version\E\n\z/, $none);
client_is('help', ['help'], 0, qr/Exit codes:/, $none);
client_is('no command', [], 1, $none, qr/no command/);
client_is('unknown command', ['sumbit'], 1, $none,
	qr/unknown command "sumbit"\nHINT:  Did you mean "submit"\?/);
client_is('nothing like it', ['frobnicate'], 1, $none, qr/\Aasyncjob: unknown command "frobnicate"\nTry/);
client_is('no pipeline, and no server asked', [ '-h', '/nowhere', 'submit' ], 1, $none, qr/which pipeline\? Usage:/);
client_is('JSON without quotes', [ 'submit', 'noop', '{a:', '1}' ], 1, $none,
	qr/"1\}" is one argument too many.*\nHINT:.*quoted for the shell/);
client_is('a limit that is no number', [ 'list', '--limit', 'x' ], 1, $none, qr/--limit takes a number, not "x"/);
client_is('unknown option', [ 'list', '--nonsense' ], 1, $none, qr/nonsense/);
client_is('option of another command', [ 'status', '--wait', '1' ],
	1, $none, qr/status has no option --wait/);
client_is('--wait with --watch', [ 'submit', 'noop', '--wait', '--watch' ],
	1, $none, qr/exclude each other/);
client_is('job id that is none', [ 'watch', "1; DROP TABLE x" ],
	1, $none, qr/is not the id of a job/);
client_is('unknown job', [ 'status', '987654321' ], 1, $none, qr/987654321.*does not exist/);
client_is('watch without a job', ['watch'], 1, $none, qr/which job/);
client_is('status without a job', ['status'], 1, $none, qr/which job\? Usage: asyncjob status JOB/);
client_is('status of two jobs', [ 'status', '1', '2' ], 1, $none, qr/"2" is one argument too many/);

# ---- connections -------------------------------------------------------
client_is('no server', [ '-h', "$dir/nowhere", 'list' ], 2, $none, qr/nowhere/);
client_is('no database', [ '-d', 'missing', 'list' ],
	2, $none, qr/database "missing" does not exist/);
client_is('no extension', [ '-d', 'bare', 'list' ],
	1, $none, qr/does not have the extension\nHINT:.*CREATE EXTENSION/);
client_is('connection string',
	[ '-d', 'dbname=postgres application_name=x', 'list' ], 0, qr//, $none);
client_is('a connection string overrides other options, as for psql',
	[ '-h', "$dir/nowhere", '-d', 'dbname=postgres host=' . $node->host, 'list' ], 0, qr//, $none);
client_is('no such role', [ '-U', 'nobody_at_all', 'list' ], 2, $none,
	qr/connection to server .* failed: FATAL:  role "nobody_at_all" does not exist/);
$node->safe_psql('postgres', 'CREATE ROLE stranger LOGIN; CREATE ROLE plain LOGIN; SELECT asyncjob.grant_usage($$plain$$)');
client_is('a role without rights', [ '-U', 'stranger', 'list' ], 1, $none,
	qr/permission denied for schema asyncjob\nHINT:  .*SELECT asyncjob\.grant_usage\('stranger'\);/);
client_is('check by a role without rights', [ '-U', 'stranger', 'check' ], 1,
	qr/^missing rights/, qr/HINT:  .*SELECT asyncjob\.grant_usage\('stranger'\);/);
$node->poll_query_until('postgres',
	q(SELECT ok FROM asyncjob.check() WHERE item = 'coordinator')) or die 'no coordinator';
client_is('check by an ordinary role', [ '-U', 'plain', 'check' ], 0,
	qr/^ok +coordinator:.*^ok +rights: role plain may submit and follow$/ms, $none);
is($node->safe_psql('postgres', 'SELECT status FROM asyncjob.health()', extra_params => [ '-U', 'plain' ]),
	'ok', 'health() for an ordinary role');
$node->safe_psql('postgres', 'REVOKE EXECUTE ON FUNCTION asyncjob.updates_many FROM plain');
client_is('check finds a function that is not granted', [ '-U', 'plain', 'check' ], 1,
	qr/^missing rights: role plain may not execute updates_many\(\)\n +Run asyncjob\.grant_usage\('plain'\)/m, $none);
$node->safe_psql('postgres', "SELECT asyncjob.grant_usage('plain')");

# ---- submit ------------------------------------------------------------
client_is('submit', [ 'submit', 'noop', '{}' ], 0, qr/\A\d+\n\z/, $none);

my $odd = q({"a": "it's $1; -- \\\\ \" é", "n": [1, 2.5, null]});
my ($rc, $out, $err) = client('', 'submit', 'noop', $odd, '--wait');
is($rc, 0, 'submit --wait: exit code');
is($err, '', 'submit --wait: no error');
chomp $out;
$node->safe_psql('postgres', 'CREATE TABLE got (a jsonb, b jsonb)');
IPC::Run::run(
	[ 'psql', '-qX', '-v', "a=$odd", '-v', "b=$out" ],
	\"INSERT INTO got VALUES (:'a', :'b')")
  or die 'could not store the result';
is($node->safe_psql('postgres', 'SELECT a = b FROM got'),
	't', 'a result is the very value that was sent');

($rc, $out, $err) = client('{"from": "stdin"}', 'submit', 'noop', '-', '--wait');
is("$rc $out$err", qq(0 {"from": "stdin"}\n), 'parameters from standard input');
append_to_file("$dir/params.json", '{"from": "file"}');
($rc, $out, $err) = client('', 'submit', 'noop', "\@$dir/params.json", '--wait');
is("$rc $out$err", qq(0 {"from": "file"}\n), 'parameters from a file');

client_is('parameters that are not JSON', [ 'submit', 'noop', '{bad' ],
	1, $none, qr/invalid input syntax for type json\nDETAIL:.*\nHINT:  Quote JSON for the shell/);
client_is('a file without its @', [ 'submit', 'noop', "$dir/params.json" ],
	1, $none, qr/params\.json" is no JSON object, but a file\nHINT:  \@.*params\.json reads it/);
client_is('file that is not there', [ 'submit', 'noop', "\@$dir/none" ],
	1, $none, qr/could not open/);
client_is('unknown pipeline', [ 'submit', 'nonesuch' ],
	1, $none, qr/nonesuch.*does not exist/);
client_is('priority out of range', [ 'submit', 'noop', '--priority', '11' ],
	1, $none, qr/priority/);

my $tomorrow = $node->safe_psql('postgres', "SELECT now() + interval '1 day'");
my $later = submit('noop', '{}', '--priority', 'high', '--run-at', $tomorrow,
	'--user', 'ann', '--unique-key', 'k1');
is($node->safe_psql('postgres',
		"SELECT state, priority, user_id, run_at = '$tomorrow' FROM asyncjob.status($later)"),
	'queued|8|ann|t', 'options reach the job');

# ---- jobs that fail ----------------------------------------------------
my $why = qr/failed in step second: the mast fell over.*\nDETAIL:  It was 80 m high\.\nHINT:  Put it up again\./;
client_is('failed job', [ 'submit', 'fails', '--wait' ], 3, $none, $why);
my $failed = submit('fails');
client_is('watching a failed job', [ 'watch', $failed ], 3, qr/job $failed failed/, $why);
client_is('result of a failed job', [ 'result', $failed ], 3, $none, $why);
client_is('status of a failed job', [ 'status', $failed ],
	0, qr/^state +failed\n.*^ +2 +second +failed.*^hint +Put it up again/ms, $none);

# ---- jobs that are cancelled -------------------------------------------
my $job = submit('slow', '{"seconds": 600}');
wait_for_state($job, "'running'");
client_is('result of a running job', [ 'result', $job ],
	1, $none, qr/has no result yet\nHINT:.*asyncjob watch $job/);
client_is('cancel', [ 'cancel', $job, 'not needed any more' ], 0, qr/job $job/, $none);
client_is('watching a cancelled job', [ 'watch', $job ],
	4, qr/cancelled/, qr/not needed any more/);
client_is('result of a cancelled job', [ 'result', $job ], 4, $none, qr/cancelled/);
client_is('cancelling twice', [ 'cancel', $job ], 0, qr/job $job/, $none);
client_is('cancelling a failed job', [ 'cancel', $failed ],
	1, $none, qr/job $failed had already ended/);

# ---- progress ----------------------------------------------------------
($rc, $out, $err) = client('', 'submit', 'slow', '{"seconds": 4}', '--watch');
is($rc, 0, 'submit --watch: exit code');
is($err, '', 'submit --watch: no error');
my @per_cent = $out =~ /running: step 2 of 2, second, (\d+) %, piece \d+ of 100$/mg;
cmp_ok(scalar(@per_cent), '>=', 3, 'progress is shown while a step runs')
  or diag($out);
is("@per_cent", join(' ', sort { $a <=> $b } @per_cent), 'progress never goes back');
like($out, qr/^info: second: slow begins$/m, 'log lines are shown');
like($out, qr/job \d+ completed after \d/, 'the end is shown');
is((grep { length > 80 } split /\n/, $out), 0, 'the lines fit 80 columns');
unlike($out, qr/\033/, 'no escape sequences where there is no terminal');

# On a terminal the block is redrawn in place.
{
	my $screen = '';
	local $ENV{TERM} = 'xterm';
	my $h = IPC::Run::start([ 'asyncjob', 'submit', 'slow', '{"seconds": 3}', '--watch' ],
		'>pty>', \$screen,
		IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));

	$h->finish;
	is($h->full_result(0) >> 8, 0, 'terminal: exit code');
	like($screen, qr/second +\[#{3,}\.+\] +\d+ %/, 'terminal: a step has a bar');
	like($screen, qr/\033\[\d+A/, 'terminal: the block is drawn in place');
	like($screen, qr/second +\[#+\] 100 %[^\033]*\z/, 'terminal: the last bar is full');
}

# ---- Ctrl-C ------------------------------------------------------------
$job = submit('slow', '{"seconds": 600}');
foreach my $times (1, 2)
{
	my ($o, $e) = ('', '');
	my $h = IPC::Run::start([ 'asyncjob', 'watch', $job ], \'', \$o, \$e,
		IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));

	$h->pump until $o =~ /running/;
	$h->signal('INT');
	$h->pump until $e =~ /goes on/;
	$h->signal('INT') if $times == 2;
	$h->finish;
	is($h->full_result(0) >> 8, $times == 1 ? 130 : 4, "Ctrl-C, $times times: exit code");
	is($node->safe_psql('postgres', "SELECT state FROM asyncjob.status($job)"),
		$times == 1 ? 'running' : 'cancelled', "Ctrl-C, $times times: state of the job");
}

# SIGTERM, even twice, is not meant for the job.
{
	$job = submit('slow', '{"seconds": 600}');
	my ($o, $e) = ('', '');
	my $h = IPC::Run::start([ 'asyncjob', 'watch', $job ], \'', \$o, \$e,
		IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));

	$h->pump until $o =~ /running/;
	$h->signal('TERM');
	$h->signal('TERM');
	$h->finish;
	is($h->full_result(0) >> 8, 130, 'SIGTERM: exit code');
	like($e, qr/Stopped watching; job $job goes on\.\n\z/, 'SIGTERM: what is said');
	is($node->safe_psql('postgres', "SELECT state FROM asyncjob.status($job)"), 'running',
		'SIGTERM: the job goes on');
	client('', 'cancel', $job);
}

# ---- what comes from others must not steer the terminal ----------------
{
	$node->safe_psql('postgres', <<'SQL');
CREATE FUNCTION hostile(jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION E'\n\x1b[2J\x1b]0;owned\x07bad \u009b31m' USING ERRCODE = 'AJ001',
        DETAIL = E'\x1b[31mred', HINT = E'\x1b[0m';
END $$;
SELECT asyncjob.create_pipeline('hostile', '[{"name": "h", "handler": "public.hostile"}]');
SQL
	my ($c, $o, $e) = client('', 'submit', 'hostile', '--wait');
	my ($id) = $e =~ /job (\d+) failed/;

	is($c, 3, 'hostile error: exit code');
	foreach my $args ([ 'status', $id ], [ 'watch', $id ], [ 'result', $id ],
		[ 'dead', 'show', $id ], ['dead'])
	{
		($c, $o, $e) = client('', @$args);
		unlike("$o$e", qr/[\x00-\x08\x0b-\x1f\x7f]|\xc2\x9b/, "hostile error: @$args");
		like("$o$e", qr/owned/, "hostile error: @$args says it");
	}
}

# ---- very many jobs, some of which are gone before they are read -------
{
	my ($o, $e) = ('', '');
	my $h = IPC::Run::start([ 'asyncjob', 'watch', '--all', '--plain' ], \'', \$o, \$e,
		IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	my $ended = sub {
		my $n = () = $o =~ /^\d\d:\d\d:\d\d job \d+ completed/mg;
		$n += $1 while $o =~ /^(\d+) more jobs completed/mg;
		return $n;
	};

	$job = submit('slow', '{"seconds": 600}');
	$h->pump until $o =~ /job $job running/;
	client('', 'cancel', $job);
	$h->pump until $o =~ /job $job cancelled/;
	$node->safe_psql('postgres', "SELECT count(asyncjob.submit('noop')) FROM generate_series(1, 4000)");
	$h->pump until $ended->() >= 4000;
	$job = submit('noop');
	$h->pump until $o =~ /job $job completed/;
	is($ended->(), 4001, 'watch --all: each of many jobs is shown or counted, once');
	like($o, qr/more jobs completed/, 'watch --all: some are only counted');
	$h->signal('INT');
	$h->finish;
	is($h->full_result(0) >> 8, 130, 'watch --all: Ctrl-C');
	is($e, "\nStopped watching; the jobs go on.\n", 'watch --all: no error');
}

# ---- a server that restarts --------------------------------------------
{
	$job = submit('slow', '{"seconds": 3}');
	wait_for_state($job, "'running'");
	my ($o, $e) = ('', '');
	my $h = IPC::Run::start([ 'asyncjob', 'watch', $job ], \'', \$o, \$e,
		IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));

	$h->pump until $o =~ /running/;
	$node->restart;
	$h->finish;
	is($h->full_result(0) >> 8, 0, 'restart while watching: exit code');
	like($o, qr/connection lost.*connected again.*completed after/s,
		'restart while watching: the view goes on');
	is($e, '', 'restart while watching: no error');
}

# ---- sessions and lists ------------------------------------------------
$node->safe_psql('postgres', "SELECT asyncjob.create_chat_session('chat 7')");
my @jobs = map { submit('slow', '{"seconds": 1}', '--session', 'chat 7') } 1 .. 3;
($rc, $out, $err) = client('', 'watch', '--session', 'chat 7');
is($rc, 0, 'watch --session: exit code') or diag($err);
foreach my $id (@jobs)
{
	like($out, qr/job $id completed/, "watch --session shows job $id");
}
client_is('list of a session', [ 'list', '--session', 'chat 7' ],
	0, qr/\A +job .*\n +$jobs[0] +slow .*\n +$jobs[1] .*\n +$jobs[2] .*\n\z/, $none);
client_is('list by state', [ 'list', '--state', 'cancelled', '--limit', '1' ],
	0, qr/\A +job .*\n +$job|\A +job .*\n +\d+ +slow +cancelled .*\n\z/, $none);
$out = client_is('list --json', [ 'list', '--json', '--session', 'chat 7' ],
	0, qr/\A(\{.*\}\n){3}\z/, $none);

# ---- artifacts ---------------------------------------------------------
# One of them is larger than what is stored, and read, in one piece.
$job = submit('makes');
($rc, $out, $err) = client('', 'watch', $job);
is($rc, 0, 'job with artifacts completes') or diag($err);
client_is('artifacts', [ 'artifacts', $job ], 0,
	qr/^table +make +text\/csv +10 B\nblob +make +application\/octet-stream +2\.6 MB\n/m, $none);
($rc, $out, $err) = client('', 'artifacts', $job, '--save', "$dir/made");
is($rc, 0, 'artifacts --save: exit code') or diag($err);
is(join(' ', map { s{.*/}{}r } glob("$dir/made/*")), 'blob table.csv',
	'artifacts --save: names of the files');
is(slurp_file("$dir/made/table.csv"), "a,b\n1,2.5\n", 'artifacts --save: small file');
client_is('artifacts --json', [ 'artifacts', $job, '--json' ], 0, qr/\A(\{.*"media_type": .*\}\n){2}\z/, $none);

# somebody has laid a link where the file is to be written
append_to_file("$dir/precious", "mine\n");
symlink("$dir/precious", "$dir/made/table.csv.part") or die 'no link';
($rc, $out, $err) = client('', 'artifacts', $job, '--save', "$dir/made");
is("$rc " . slurp_file("$dir/precious"), "0 mine\n", 'artifacts --save: a link is not followed');
is(sha256_hex(slurp_file("$dir/made/blob")),
	$node->safe_psql('postgres', "SELECT sha256 FROM asyncjob.artifacts($job) WHERE name = 'blob'"),
	'artifacts --save: large file');
client_is('artifacts of an unknown job', [ 'artifacts', '987654321' ],
	1, $none, qr/does not exist/);

$node->stop;
done_testing();

# libasyncjob as a program sees it that links the installed library through
# pkg-config: every update once and in order, each final state exactly once,
# whatever happens to the server and the connection meanwhile.

use strict;
use warnings;

use Config;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my $dest = "$ENV{AJ_WORK}/dest";
my $libdir = $ENV{PG_CONFIG} ? `$ENV{PG_CONFIG} --libdir` : `pg_config --libdir`;
chomp $libdir;
my $dir = PostgreSQL::Test::Utils::tempdir();
my $timeout = $PostgreSQL::Test::Utils::timeout_default;

if (!grep { -x "$_/pkg-config" } split /:/, $ENV{PATH})
{
	plan skip_all => 'pkg-config is not installed';
}
if (system('pkg-config --exists libpq') != 0)
{
	plan skip_all => 'pkg-config lacks something that libpq names';
}

# ---- a program that knows only what is installed -----------------------
local %ENV = (
	%ENV,
	PKG_CONFIG_PATH => "$dest$libdir/pkgconfig",
	PKG_CONFIG_SYSROOT_DIR => $dest,
	LD_LIBRARY_PATH => join(':', "$dest$libdir", $ENV{LD_LIBRARY_PATH} // ()));
my $cc = $ENV{CC} // 'cc';
command_ok(
	[ 'sh', '-c', "$cc -Wall -Wextra -Werror -o $dir/follow test/client/follow.c \$(pkg-config --cflags --libs libasyncjob)" ],
	'a program links the library through pkg-config');
command_ok(
	[ 'sh', '-c', "$cc -o $dir/static test/client/follow.c \$(pkg-config --cflags libasyncjob) $dest$libdir/libasyncjob.a -lpq" ],
	'and statically');
command_like([ 'readelf', '-d', "$dest$libdir/libasyncjob.so" ],
	qr/SONAME.*\[libasyncjob\.so\.0\]/, 'the library has a soname');
command_like([ 'pkg-config', '--modversion', 'libasyncjob' ],
	qr/\A\d+\.\d+\.\d+\n\z/, 'pkg-config knows its version');

# What a released program may have used must stay: names with their version,
# sizes and offsets.
{
	my ($abi, $err);
	my $symbols = join('', sort grep { / T / } `nm -D --defined-only $dest$libdir/libasyncjob.so`);

	$symbols =~ s/^\S+ T //gm;
	command_ok([ 'sh', '-c', "$cc -o $dir/abi test/client/abi.c \$(pkg-config --cflags libasyncjob)" ],
		'the interface compiles as strict C');
	IPC::Run::run([ "$dir/abi" ], '>', \$abi);
	$abi = join('', sort split /^/, $abi . $symbols);
	my $man = slurp_file('docs/man/libasyncjob.3');
	is(join(' ', grep { $man !~ /\b$_\b/ } $symbols =~ /^(asyncjob_\w+)/mg), '',
		'the manual page names each function');
	is($abi, slurp_file('test/client/abi.expected'), 'the interface is as it was released')
	  or diag('Added names go into test/client/abi.expected; for others the soname must change.');
}

# A locale that writes 0,5 for a half, made of nothing but this: programs that
# call setlocale() have one, and the library must not mind.
my $comma = grep { -x "$_/localedef" } split /:/, $ENV{PATH};
if ($comma)
{
	append_to_file("$dir/comma", <<'LOCALE');
LC_NUMERIC
decimal_point "<U002C>"
thousands_sep ""
grouping -1
END LC_NUMERIC
LOCALE
	append_to_file("$dir/ascii", <<'EOT');
<code_set_name> ANSI_X3.4-1968
<comment_char> %
<escape_char> /
CHARMAP
<U0000>..<U007F> /x00 ascii
END CHARMAP
EOT
	system("localedef -c -i $dir/comma -f $dir/ascii $dir/xx_XX >/dev/null 2>&1");
	ok(-d "$dir/xx_XX", 'a locale with a decimal comma');
}

# ---- server ------------------------------------------------------------
my $node = PostgreSQL::Test::Cluster->new('library');
$node->init(allows_streaming => 1);	# a COMMIT shall wait for a standby
$node->append_conf('postgresql.conf', "asyncjob.max_workers = 4\nmax_connections = 40\n");
$node->start;
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION asyncjob;
CREATE FUNCTION work(a jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    PERFORM asyncjob.log('info', 'begun');
    FOR i IN 1 .. 4 LOOP
        PERFORM pg_sleep((a ->> 's')::float8 / 4);
        PERFORM asyncjob.progress(i / 4.0);
    END LOOP;
    IF a ? 'fail' THEN
        RAISE EXCEPTION 'as asked' USING ERRCODE = 'AJ001', HINT = 'Do not ask.';
    END IF;
    RETURN a;
END $$;
SELECT asyncjob.create_pipeline('work',
    '[{"name": "work", "handler": "public.work"},
      {"name": "rest", "handler": "asyncjob.step_noop"}]');
SELECT asyncjob.create_chat_session('s');
CREATE ROLE other LOGIN;
SELECT asyncjob.grant_usage('other');
SQL
local %ENV = (
	%ENV,
	PGHOST => $node->host,
	PGPORT => $node->port,
	PGDATABASE => 'postgres',
	PGUSER => $node->safe_psql('postgres', 'SELECT current_user'));

delete $ENV{PGAPPNAME};			# the library's own name is to be seen

sub submit_many
{
	my ($n, $params, $more) = @_;

	return split /\n/, $node->safe_psql('postgres',
		"SELECT asyncjob.submit_many('work', array_fill('$params'::jsonb, ARRAY[$n])$more)");
}

# Start the program; $in is its standard input, from a file so that it ends.
my $files = 0;
sub follow
{
	my ($in, @args) = @_;
	my %run = (out => '', err => '');
	my $file = "$dir/in" . ++$files;

	append_to_file($file, $in);
	local %ENV = (%ENV, LOCPATH => $dir, LC_ALL => 'xx_XX') if $comma;
	$run{h} = IPC::Run::start([ "$dir/follow", @args ], '<', $file, '>', \$run{out},
		'2>', \$run{err}, IPC::Run::timeout($timeout));
	return \%run;
}

# Wait for its end and look at what it wrote: each job's updates as updates()
# has them, each end once.
sub told
{
	my ($run, $name, @jobs) = @_;
	my (%seqs, %ends, @bad);

	$run->{h}->finish;
	is($run->{h}->full_result(0) . $run->{err}, '0', "$name: the program ends well");
	foreach (split /\n/, $run->{out})
	{
		push @{ $seqs{$1} }, $2 if /^update (\d+) (\d+) (?!progress)/;
		push @{ $ends{$1} }, $2 if /^complete (\d+) (\w+)/;
		push @bad, $_ if /^error/;
	}
	my %is = map { split /\|/ } split /\n/,
	  $node->safe_psql('postgres', 'SELECT id, state FROM asyncjob.job');
	my %was = map { split /\|/ } split /\n/,
	  $node->safe_psql('postgres', 'SELECT id, (SELECT string_agg(seq::text, $$ $$ ORDER BY seq) FROM asyncjob.updates(id)) FROM asyncjob.job');
	foreach my $job (@jobs)
	{
		my $seqs = join ' ', @{ $seqs{$job} // [] };
		my $ends = join ' ', @{ $ends{$job} // [] };

		push @bad, "job $job: ended $is{$job}, told \"$ends\"" if $ends ne $is{$job};
		push @bad, "job $job: updates $was{$job}, told $seqs" if $seqs ne $was{$job};
	}
	is(scalar(keys %ends), scalar(@jobs), "$name: so many jobs ended");
	is(join("\n", @bad), '', "$name: each update once, in order, each end once");
	return;
}

sub until_told
{
	my ($run, $pattern) = @_;

	$run->{h}->pump until $run->{out} =~ $pattern;
	return;
}

# ---- 200 jobs through three restarts -----------------------------------
{
	my $watch_session = follow('', 'session', 's', 200);
	my $watch_all = follow('', 'all', 200);

	until_told($_, qr/^connection connected/m) foreach $watch_session, $watch_all;
	# that the lists are read is seen by what they say of a first job
	my @jobs = submit_many(200, '{"s": 0.1}', ", session_id => 's'");
	my $watch_jobs = follow(join('', map { "$_\n" } @jobs), 'jobs');

	foreach my $done (10, 60, 120)
	{
		$watch_jobs->{h}->pump
		  until (() = $watch_jobs->{out} =~ /^complete/mg) >= $done;
		$node->restart;
		# the view of others fills its pipe only when it is read
		$_->{h}->pump_nb foreach $watch_session, $watch_all;
	}
	told($watch_jobs, 'restarts, jobs', @jobs);
	like($watch_jobs->{out}, qr/^one half is 0,5$/m, 'restarts: in a locale with a decimal comma')
	  if $comma;
	cmp_ok(scalar(() = $watch_jobs->{out} =~ /^connection connected/mg), '>=', 4,
		'restarts: the connection was made again each time');
	told($watch_session, 'restarts, session', @jobs);
	told($watch_all, 'restarts, all', @jobs);
}

# ---- live progress ----------------------------------------------------
{
	my @jobs = submit_many(1, '{"s": 2}', '');
	my $watch = follow("$jobs[0]\n", 'jobs');

	told($watch, 'progress', @jobs);
	like($watch->{out}, qr/^update $jobs[0] 0 progress running$/m, 'live progress is told');
}

# ---- connections cut at random -----------------------------------------
{
	my @jobs = submit_many(150, '{"s": 0.1}', '');
	my $watch = follow(join('', map { "$_\n" } @jobs), 'jobs');
	my $killed = 0;

	# retry_delay is a second: some die while the catch-up is under way
	while ((() = $watch->{out} =~ /^complete/mg) < 120)
	{
		$watch->{h}->pump_nb;
		$killed += $node->safe_psql('postgres',
			"SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
			 WHERE application_name = 'libasyncjob' AND random() < 0.3");
		usleep(20_000);
	}
	told($watch, "$killed cuts", @jobs);
	cmp_ok($killed, '>', 2, 'cuts: the connection was cut several times');
}

# ---- a consumer that is slower than the jobs ---------------------------
{
	my @jobs = submit_many(60, '{"s": 0}', '');

	told(follow(join('', map { "$_\n" } @jobs), '--slow', 10, 'jobs'), 'slow consumer', @jobs);
}

# ---- a thousand subscriptions on one connection ------------------------
{
	my @jobs = submit_many(1000, '{"s": 0.004}', '');
	my $watch = follow(join('', map { "$_\n" } @jobs), 'jobs');

	until_told($watch, qr/^complete/m);
	is($node->safe_psql('postgres',
			"SELECT count(*) FROM pg_stat_activity WHERE application_name = 'libasyncjob'"),
		1, 'a thousand: one connection');
	told($watch, 'a thousand', @jobs);
}

# ---- the first program of the docs -------------------------------------
{
	my ($o, $e) = ('', '');

	command_ok(
		[ 'sh', '-c', "$cc -Wall -Wextra -Werror -o $dir/first docs/examples/first.c \$(pkg-config --cflags --libs libasyncjob)" ],
		'the first example compiles as it says');
	IPC::Run::run([ "$dir/first", 'noop', '{"hello": "world"}' ], '<', \'', '>', \$o, '2>', \$e);
	like("$? $o$e", qr/\A0 job \d+: \{"hello": "world"\}\n\z/, 'and prints a result');
	IPC::Run::run([ "$dir/first", 'work', '{"s": 0, "fail": 1}' ], '<', \'', '>', \$o, '2>', \$e);
	like(($? >> 8) . " $e", qr/\A1 JOB_FAILED: job \d+ failed: as asked\nDo not ask\.\n\z/,
		'a failed job: the error is the job\'s own');
	local $ENV{PGUSER} = 'nobody_of_this_name';
	IPC::Run::run([ "$dir/first", 'noop' ], '<', \'', '>', \$o, '2>', \$e);
	like(($? >> 8) . " $e", qr/\A1 AUTH_REQUIRED: connection to server .* failed: FATAL:  role "nobody_of_this_name" does not exist\n/,
		'no such role');
}

# ---- a failed job, one that isn't there, another role's ----------------
{
	my ($failed) = submit_many(1, '{"s": 0, "fail": 1}', '');
	my $watch = follow("$failed\n987654321\n", 'jobs');

	$watch->{h}->finish;
	like($watch->{out}, qr/^complete $failed failed$/m, 'a failed job ends');
	like($watch->{out}, qr/^error 987654321 INVALID_INPUT 42704 job 987654321 does not exist$/m,
		'an unknown job is an error of its subscription');

	local $ENV{PGUSER} = 'other';
	$watch = follow("$failed\n", 'jobs');
	$watch->{h}->finish;
	like($watch->{out}, qr/^error $failed INVALID_INPUT 42704/m, q(so is another role's job));
}

# ---- each submission makes one job, answers lost or not ----------------
foreach my $how ('cuts', 'restarts')
{
	my $before = $node->safe_psql('postgres', 'SELECT count(*) FROM asyncjob.job');
	my $n = $how eq 'cuts' ? 60 : 3000;
	my $run = follow('', 'submit', $n, 'noop', '{"x": 1}');
	my $cuts = 0;

	until_told($run, qr/^submitted/m);
	if ($how eq 'restarts')
	{
		foreach my $time (1, 2)
		{
			$node->stop('immediate');
			$node->start;
		}
	}
	while ($how eq 'cuts' && $run->{h}->pumpable && (() = $run->{out} =~ /^submitted/mg) < $n - 10)
	{
		$run->{h}->pump_nb;
		$cuts += $node->safe_psql('postgres',
			"SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
			 WHERE application_name = 'libasyncjob' AND query <> '' AND random() < 0.5");
	}
	$run->{h}->finish;
	my @ids = $run->{out} =~ /^submitted (\d+)/mg;
	unlike($run->{out}, qr/^refused/m, "submission, $how: none is refused");
	is(scalar(@ids), $n, "submission, $how: all are answered");
	is($node->safe_psql('postgres', 'SELECT count(*) FROM asyncjob.job') - $before,
		$n, "submission, $how: each made one job");
	is($node->safe_psql('postgres',
			'SELECT count(*) FROM asyncjob.job WHERE id IN (' . join(',', @ids) . ')'),
		$n, "submission, $how: and its answer is that job");
}

# ---- a connection that ends in the midst of COMMIT ---------------------
# Before the transaction is committed: a deferred trigger, of what the
# pipeline's validator writes, takes its time, and its backend is ended.
foreach my $fate ('aborted', 'committed')
{
	my $before = $node->safe_psql('postgres', 'SELECT count(*) FROM asyncjob.job');
	my $busy = q(query = 'COMMIT' AND state = 'active');

	if ($fate eq 'aborted')
	{
		$node->safe_psql('postgres', <<'SQL');
CREATE TABLE wish (n integer);
CREATE FUNCTION slow_commit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_sleep(60);
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER slow_commit AFTER INSERT ON wish
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION slow_commit();
CREATE FUNCTION note_wish(params jsonb) RETURNS void LANGUAGE plpgsql
    AS 'BEGIN INSERT INTO public.wish VALUES (1); END';
SELECT asyncjob.create_pipeline('wish',
    '[{"name": "wish", "handler": "asyncjob.step_noop"}]', validator => 'public.note_wish');
SQL
	}
	else
	{
		# committed, but the answer waits for a standby that isn't there
		$node->safe_psql('postgres', q(ALTER SYSTEM SET synchronous_standby_names = 'nobody'));
		$node->reload;
		$busy = q(wait_event = 'SyncRep' AND query = 'COMMIT');
	}
	my $run = follow('', 'submit', 1, $fate eq 'aborted' ? 'wish' : 'noop', '{}');
	ok($node->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_stat_activity WHERE $busy"),
		"COMMIT, $fate: it is under way");
	$node->safe_psql('postgres',
		"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE $busy");
	if ($fate eq 'aborted')
	{
		$node->safe_psql('postgres', 'DROP FUNCTION slow_commit CASCADE');
	}
	else
	{
		$node->safe_psql('postgres',
			'ALTER SYSTEM RESET synchronous_standby_names');
		$node->reload;
	}
	$run->{h}->finish;
	like($run->{out}, qr/^connection disconnected.*^submitted \d+$/ms,
		"COMMIT, $fate: the answer comes over another connection");
	my ($id) = $run->{out} =~ /^submitted (\d+)/m;
	is($node->safe_psql('postgres',
			"SELECT count(*) - $before, bool_or(id = $id) FROM asyncjob.job"),
		'1|t', "COMMIT, $fate: there is one job");
	unlike(slurp_file($node->logfile), qr/ERROR:.*xid8/, "COMMIT, $fate: its fate could be asked for");
}

# ---- memory ------------------------------------------------------------
SKIP:
{
	skip 'valgrind is not installed', 2
	  unless grep { -x "$_/valgrind" } split /:/, $ENV{PATH};
	my @jobs = submit_many(20, '{"s": 0.1}', '');
	my ($o, $e) = ('', '');

	append_to_file("$dir/valgrind", join('', map { "$_\n" } @jobs));
	my $h = IPC::Run::start(
		[ 'valgrind', '-q', '--leak-check=full', '--show-leak-kinds=definite,indirect,possible',
			'--errors-for-leak-kinds=definite,indirect,possible', '--error-exitcode=9', "$dir/follow", 'jobs' ],
		'<', "$dir/valgrind", '>', \$o, '2>', \$e, IPC::Run::timeout($timeout));
	$h->pump until $o =~ /^complete/m;
	$node->restart;
	$h->finish;
	is($h->full_result(0) >> 8, 0, 'valgrind: no error, no leak, through a restart') or diag($e);
	is(scalar(() = $o =~ /^complete/mg), 20, 'valgrind: all jobs were followed');
}

# ---- errors ------------------------------------------------------------
{
	my $run = follow('', 'submit', 1, 'nonesuch', '{}');

	$run->{h}->finish;
	like($run->{out}, qr/^refused INVALID_INPUT .*nonesuch/m, 'unknown pipeline');
	local $ENV{PGUSER} = 'other';
	$run = follow('', 'submit', 1, 'work', '{}');
	$run->{h}->finish;
	like($run->{out}, qr/^refused (AUTH_REQUIRED|INVALID_INPUT) /m, 'pipeline that is not granted');
	local $ENV{PGDATABASE} = 'template1';
	$run = follow('', 'submit', 1, 'noop', '{}');
	$run->{h}->finish;
	like($run->{out}, qr/^refused INVALID_INPUT database "template1" does not have the extension/m,
		'database without the extension');
}

$node->stop;
done_testing();

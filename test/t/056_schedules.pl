# Schedules with a real pg_cron, in another database than asyncjob: what is
# said while it isn't there, its one job for us, missed runs after a restart,
# and databases that are renamed, copied and dropped.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use AsyncJobTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $pg_config = $ENV{PG_CONFIG} || 'pg_config';
chomp(my $libdir = `$pg_config --pkglibdir`);
plan skip_all => 'pg_cron is not installed' unless -e "$libdir/pg_cron.so";

my $node = aj_node('schedules', bare => 1, conf => "asyncjob.poll_interval = 100ms\nmax_worker_processes = 20\n");
aj_database($node, 'app');
aj_role($node, 'alice', 'app');

# What check() says of an item: ok|detail|hint
sub check_says
{
	my ($item, %opt) = @_;
	my @user = defined $opt{as} ? (extra_params => [ '-U', $opt{as} ]) : ();

	return $node->safe_psql('app', "SELECT ok, detail, hint FROM asyncjob.check() WHERE item = '$item'", @user);
}

# schedule() is refused; returns what it says.
sub refused
{
	my ($name) = @_;
	my ($rc, undef, $error) = $node->psql('app', "SELECT asyncjob.schedule('minutely', '* * * * *', 'quick')",
		extra_params => [ '-U', 'alice', '-v', 'VERBOSITY=verbose' ]);

	isnt($rc, 0, $name);
	return $error;
}

# The jobs of pg_cron that are ours.
sub ticks
{
	return $node->safe_psql('cron_here',
		"SELECT string_agg(concat_ws('|', database, schedule, command, username, active), ';' ORDER BY database) FROM cron.job WHERE jobname LIKE 'asyncjob tick %'");
}

sub ticks_become
{
	my ($databases, $name) = @_;

	return ok(aj_until($node, "pg_cron's jobs to be those of: $databases",
			"SELECT coalesce(string_agg(database, ' ' ORDER BY database) FILTER (WHERE active), '') = '$databases'"
			  . " FROM cron.job WHERE jobname LIKE 'asyncjob tick %'", 'cron_here'), $name);
}

# No pg_cron: each thing that is missing is named.
like(refused('without pg_cron a schedule is refused'),
	qr/55000: schedules need pg_cron: pg_cron is not loaded\n.*HINT: .*shared_preload_libraries/s, 'it is not loaded');
like(check_says('pg_cron'), qr/^f\|pg_cron is not loaded; only schedules need it\|Install pg_cron/, 'check() says so');
is(check_says('schedules'), 't|there is no schedule that is not paused|', 'no schedule waits for it');
is($node->safe_psql('app', 'SELECT status FROM asyncjob.health()'), 'ok', 'which is nothing to worry about');

$node->append_conf('postgresql.conf', <<'CONF');
shared_preload_libraries = 'asyncjob, pg_cron'
cron.database_name = 'cron_here'
cron.use_background_workers = on
CONF
$node->restart;
like(refused('without its database'),
	qr/55000: schedules need pg_cron: database "cron_here", which cron\.database_name names, does not exist/, 'it says that');
$node->safe_psql('postgres', 'CREATE ROLE mallory LOGIN; CREATE DATABASE cron_here OWNER mallory');

# Who owns pg_cron's database can make things that look like pg_cron.
$node->safe_psql('cron_here', <<'SQL', extra_params => [ '-U', 'mallory' ]);
CREATE SCHEMA cron;
CREATE TABLE cron.job (jobid bigint, jobname text, schedule text, command text, database text, username text, active boolean);
CREATE TABLE cron.called (by name);
CREATE FUNCTION cron.schedule_in_database(text, text, text, text, text DEFAULT NULL, boolean DEFAULT true) RETURNS bigint LANGUAGE sql AS
    $$ INSERT INTO cron.called VALUES (current_user) RETURNING 1 $$;
CREATE FUNCTION public.eq(text, text) RETURNS boolean LANGUAGE sql AS $$ INSERT INTO cron.called VALUES (current_user) RETURNING true $$;
CREATE OPERATOR public.= (LEFTARG = text, RIGHTARG = text, FUNCTION = public.eq);
ALTER DATABASE cron_here SET search_path = public, pg_catalog;
SQL
like(refused('without its extension'),
	qr/55000: schedules need pg_cron: extension pg_cron does not exist in database "cron_here".*HINT: .*CREATE EXTENSION pg_cron/s,
	'it says that');
like(check_says('pg_cron'), qr/^f\|extension pg_cron does not exist in database "cron_here"/, 'check() says so');
is($node->safe_psql('cron_here', 'SELECT count(*) FROM cron.called'), 0, 'what only looks like pg_cron is not called');
$node->safe_psql('cron_here', 'DROP SCHEMA cron CASCADE; CREATE EXTENSION pg_cron');
like(check_says('pg_cron'), qr/^t\|/, 'now it will do');

# A schedule; pg_cron calls tick() each minute, as the owner of the extension.
my $next = $node->safe_psql('app', "SELECT asyncjob.schedule('minutely', '* * * * *', 'quick') > now()",
	extra_params => [ '-U', 'alice' ]);
is($next, 't', 'a schedule is made');
my $superuser = $node->safe_psql('app', 'SELECT current_user');
is(ticks(), "app|* * * * *|SELECT asyncjob.tick()|$superuser|t", 'pg_cron has one job for it');
$node->safe_psql('cron_here', 'DROP OPERATOR public.= (text, text); ALTER DATABASE cron_here RESET search_path');
like(check_says('schedules'), qr/^t\|1 schedules; tick\(\) is called soon/, 'check() waits for the first call');
ok(aj_until($node, 'the first run', "SELECT count(*) > 0 FROM asyncjob.schedule_runs WHERE job_state = 'completed'", 'app'),
	'a run comes with the minute');
is($node->safe_psql('app', "SELECT DISTINCT who FROM effects"), 'alice', 'as a job of the one who made the schedule');
is($node->safe_psql('app', "SELECT bool_and(at - due_at < interval '30 s') FROM asyncjob.schedule_runs"), 't', 'at its time');
like(check_says('schedules'), qr/^t\|1 schedules; tick\(\) was last called at \d/, 'check() is content');
like(check_says('pg_cron', as => 'alice'), qr/^t\|/, 'and says so to everybody');

# asyncjob.schedule is the truth: what becomes of pg_cron's job is mended.
$node->safe_psql('cron_here', 'DELETE FROM cron.job');
ticks_become('app', 'a job that was dropped comes back');
$node->safe_psql('cron_here', "UPDATE cron.job SET active = false, schedule = '0 0 1 1 *'");
ticks_become('app', 'a job that was changed is as it should be');
is(ticks(), "app|* * * * *|SELECT asyncjob.tick()|$superuser|t", 'in all it says');

# A database that is renamed is called by its new name.
$node->safe_psql('postgres', 'ALTER DATABASE app RENAME TO app2');
ticks_become('app2', 'pg_cron knows the new name of a database');
$node->safe_psql('postgres', 'ALTER DATABASE app2 RENAME TO app');
ticks_become('app', 'and the old one again');

# A second database, whose extension goes, and then a third that goes whole.
my %gone = (second => 'DROP EXTENSION asyncjob', third => 'DROP DATABASE third');
foreach my $db (sort keys %gone)
{
	aj_database($node, $db);
	$node->safe_psql($db, "SELECT asyncjob.schedule('other', '\@daily', 'noop')");
	ticks_become("app $db", "$db has a job of its own");
	ok( aj_until($node, 'the coordinator to know',
			'SELECT checked_at IS NOT NULL FROM asyncjob.schedule_clock', $db),
		'the coordinator has seen to it');
	$node->safe_psql($db eq 'third' ? 'postgres' : $db, $gone{$db});
	ticks_become('app', "it is gone after $gone{$db}");
}

# A dump, restored beside the original: its schedules wait for resume().
my $dump = PostgreSQL::Test::Utils::tempdir() . '/dump.sql';
$node->command_ok([ 'pg_dump', '--no-sync', '-f', $dump, '-d', $node->connstr('app') ], 'pg_dump');
$node->safe_psql('postgres', 'CREATE DATABASE copy');
$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', $dump, '-d', $node->connstr('copy') ], 'restore');
my $facts = 'SELECT name, owner, cron, next_run FROM asyncjob.schedules';
is($node->safe_psql('copy', $facts), $node->safe_psql('app', $facts), 'the schedules are in it');
is($node->safe_psql('copy', "UPDATE asyncjob.schedule SET next_at = now() - interval '1 min'; SELECT asyncjob.tick()"),
	0, 'they submit nothing before resume()');
$node->restart;    # the launcher looks into every database
ok(aj_until($node, 'the coordinator of the copy', "SELECT count(*) = 1 FROM pg_stat_activity WHERE datname = 'copy'"),
	'the copy has a coordinator');
ok(aj_rounds($node, 'copy', 10), 'which looks at the queue again and again');
ticks_become('app', 'and does not let pg_cron call');
$node->safe_psql('copy', 'SELECT asyncjob.resume()');
ticks_become('app copy', 'after resume() it does');
$node->safe_psql('copy', "SELECT asyncjob.unschedule('minutely', 'alice')");
ticks_become('app', 'until the last schedule is gone');
$node->safe_psql('postgres', 'DROP DATABASE copy');

# Runs that were missed while the server was down.  The gate holds each job,
# so that what waits for its end can be seen to wait.
$node->safe_psql('app', <<'SQL', extra_params => [ '-U', 'alice' ]);
SELECT asyncjob.unschedule('minutely');
SELECT asyncjob.schedule(c, '0 0 1 1 *', 'gated', catch_up => c) FROM unnest('{none,one,all}'::text[]) c;
SQL
$node->safe_psql('app', <<'SQL');
UPDATE asyncjob.schedule
    SET cron = to_char(h AT TIME ZONE 'UTC', '"0" HH24') || ' * * *', next_at = h - interval '2 days'
FROM (SELECT date_trunc('hour', now()) - interval '12 hours' AS h) t;
SQL
$node->stop('immediate');
$node->start;
ok(aj_until($node, 'a tick', "SELECT count(*) = 3 AND bool_and(next_run > now()) AND bool_and(last_state IS NOT NULL) FROM asyncjob.schedules", 'app'),
	'a tick comes after the restart');
my $runs = "SELECT string_agg(n, ', ' ORDER BY n) FROM (SELECT schedule || ' ' || state || ' ' || count(*) AS n FROM asyncjob.schedule_runs GROUP BY schedule, state) s";
is($node->safe_psql('app', $runs), 'all pending 2, all submitted 1, none skipped 1, one skipped 1, one submitted 1',
	'each schedule has what its catch_up says');
aj_gate($node, 1, 'app');
ok( aj_until($node, 'the missed runs',
		"SELECT count(*) = 4 AND bool_and(job_state = 'completed') FROM asyncjob.schedule_runs WHERE job_id IS NOT NULL", 'app'),
	'missed runs are caught up on');
is( $node->safe_psql('app', <<'SQL'), 't', 'one after the other, in the order of their times');
SELECT bool_and(coalesce(started_at >= before, true)) FROM (
    SELECT started_at, lag(finished_at) OVER (ORDER BY due_at) AS before
    FROM asyncjob.schedule_runs WHERE schedule = 'all') r
SQL
is($node->safe_psql('app', 'SELECT count(job_id), count(DISTINCT job_id), count(*) FROM asyncjob.schedule_runs'),
	'4|4|6', 'each due time has one job at most');
is($node->safe_psql('app', "SELECT count(*) FROM effects WHERE step = 'gated'"), 4, 'and no more ran');

# Nobody calls: check() and health() say so.
$node->safe_psql('app', "UPDATE asyncjob.schedule_clock SET last_tick_at = now() - interval '1 hour'; UPDATE asyncjob.schedule SET created_at = now() - interval '1 day'");
like(check_says('schedules'), qr/^f\|3 schedules wait; pg_cron last called tick\(\) at .*\|See cron\.job_run_details/, 'check() says that nobody calls');
like($node->safe_psql('app', 'SELECT status, problems FROM asyncjob.health()'), qr/^degraded\|.*"item": "schedules"/, 'so does health()');

aj_quiet_log($node);
$node->stop;
done_testing();

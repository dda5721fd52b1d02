# ALTER EXTENSION UPDATE from 0.1.0: jobs of every state are there afterwards
# and go on, and the database has what a new one has.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use AsyncJobTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $from = '0.1.0';
my $node = aj_node('upgrade', bare => 1, conf => "asyncjob.poll_interval = 100ms\n");

$node->safe_psql('postgres', 'CREATE DATABASE fresh');
$node->safe_psql('fresh', 'CREATE EXTENSION asyncjob');
my $to = $node->safe_psql('fresh', "SELECT extversion FROM pg_extension WHERE extname = 'asyncjob'");

# A server that was updated from $from, as its tables are when it starts.
my ($missing, undef, $why) = $node->psql('postgres', "CREATE EXTENSION asyncjob VERSION '$from'");
plan skip_all => "the install script of $from is not installed"
  if $missing && $why =~ /no installation script/;
is($missing, 0, "version $from is there") or diag($why);
$node->safe_psql('postgres', <<SQL);
CREATE ROLE app LOGIN;
CREATE ROLE boss LOGIN;
CREATE TABLE gate (open boolean NOT NULL);
INSERT INTO gate VALUES (false);
GRANT SELECT ON gate TO PUBLIC;
CREATE FUNCTION paint(a jsonb) RETURNS jsonb LANGUAGE sql AS
    \$\$ SELECT '{"painted": "again"}'::jsonb \$\$;
CREATE FUNCTION gated(a jsonb) RETURNS jsonb LANGUAGE plpgsql AS \$\$
BEGIN
    WHILE NOT (SELECT open FROM public.gate) LOOP
        PERFORM pg_sleep(0.01);
    END LOOP;
    RETURN jsonb_build_object('n', a -> 'params' -> 'n', 'first', a -> 'steps' -> 'first');
END \$\$;
CREATE FUNCTION broken(a jsonb) RETURNS jsonb LANGUAGE plpgsql AS \$\$
BEGIN
    IF NOT (SELECT open FROM public.gate) THEN
        RAISE EXCEPTION 'the gate is shut';
    END IF;
    RETURN '{"late": true}';
END \$\$;
SELECT asyncjob.grant_usage('app');
SELECT asyncjob.grant_admin('boss');
SQL
$node->safe_psql('postgres', slurp_file("$ENV{TESTDIR}/test/upgrade/$from-jobs.sql"));
my $states = "SELECT string_agg(id || ' ' || state, ', ' ORDER BY id) FROM asyncjob.job";
my $before = $node->safe_psql('postgres', $states);
like($before, qr/1 completed, 2 failed, 3 queued, 4 running, 5 queued, 6 queued, 7 waiting, 8 cancelled/,
	'jobs of every state are there');

# Before the update the library leaves the older tables alone, and says so.
my $offset = -s $node->logfile;
$node->restart;
ok($node->wait_for_log(qr/asyncjob leaves database "postgres" alone: the extension is of version \Q$from\E/, $offset),
	'the engine leaves a database of another version alone');
my ($rc, undef, $error) = $node->psql('postgres', 'SELECT asyncjob.status(1)');
isnt($rc, 0, 'status() refuses to work');
like($error, qr/of version \Q$from\E in this database, its library of version \Q$to\E.*ALTER EXTENSION asyncjob UPDATE/s,
	'and says what to do');

# The definitions of $from meet the functions of today's library: none may
# crash, and one that has got other arguments must refuse.
my $signature = <<'SQL';
SELECT p.prosrc || '/' || p.pronargs, p.oid::regprocedure FROM pg_proc p
WHERE p.pronamespace = 'asyncjob'::regnamespace AND p.prolang = (SELECT oid FROM pg_language WHERE lanname = 'c')
SQL
$node->safe_psql('fresh', "SELECT asyncjob.grant_usage('app'); SELECT asyncjob.grant_admin('boss')");
my %now = map { split /\|/, $_, 2 } split /\n/, $node->safe_psql('fresh', $signature);
my %then = map { split /\|/, $_, 2 } split /\n/, $node->safe_psql('postgres', $signature);
foreach my $symbol (sort keys %then)
{
	my ($name, $args) = $then{$symbol} =~ /^(\S+?)\((.*)\)$/;
	my $call = "$name(" . join(', ', map { "NULL::$_" } split /,\s*/, $args) . ')';

	# procedures and functions that a restart of the server would be part of
	next if $name =~ /\.(?:await|_install|_updated)$/;
	($rc, undef, $error) = $node->psql('postgres', "SELECT $call");
	next if exists $now{$symbol} && ($error // '') !~ /server closed the connection|terminat/;
	like($error, qr/ALTER EXTENSION asyncjob UPDATE/, "$then{$symbol} of $from refuses to work")
	  or diag("The C function of $symbol has other arguments now. Begin it with aj_check_nargs(fcinfo, N), N being\n"
		  . "the number it has now. If it has gone, keep its symbol as a function that calls aj_extension_refuse().");
}
is($node->safe_psql('postgres', $states), $before, 'nothing has happened to the jobs');

# The update.
$node->safe_psql('postgres', 'ALTER EXTENSION asyncjob UPDATE');
is($node->safe_psql('postgres', "SELECT extversion FROM pg_extension WHERE extname = 'asyncjob'"),
	$to, 'the extension is updated');

sub description
{
	my ($db) = @_;
	my $text = $node->safe_psql($db, slurp_file("$ENV{TESTDIR}/test/upgrade/describe.sql") . 'TABLE described');

	# an object may take several lines
	my @parts = split /\n(?=(?:member|relation|column|constraint|index|view|sequence|policy|trigger|function|enum|comment|dumped|pipeline|queue|everybody's pipeline|turbine): )/, $text;
	return map { $_ => 1 } @parts;
}

my %updated = description('postgres');
my %fresh = description('fresh');
my @missing = grep { !$updated{$_} } sort keys %fresh;
my @surplus = grep { !$fresh{$_} } sort keys %updated;
cmp_ok(scalar keys %fresh, '>', 300, 'the description of the extension says something');
ok(!@missing && !@surplus, 'an updated database has what a new one has') or diag(
	"--- only in a new database:\n", map({ "    $_\n" } @missing),
	"--- only in an updated one:\n", map({ "    $_\n" } @surplus),
	"130_update.sql of the regression tests says what is to be done.\n");

# The engine has come by itself and goes on with what was there.
is($node->safe_psql('postgres', "SELECT asyncjob.result(1)"), '{"a": 1}', 'a result is there');
is(aj_status($node, 2, 'state, error_message, error_hint'), 'failed|the gate is shut|Open it.', 'a dead letter is there');
is(aj_status($node, 8, 'state, message'), 'cancelled|not wanted', 'a cancelled job is there');
is(aj_status($node, 6, 'state, priority'), 'queued|8', 'a job of the future is there')
  if $node->safe_psql('postgres', 'SELECT run_at > now() FROM asyncjob.job WHERE id = 6') eq 't';
aj_gate($node, 1);
for my $id (4, 7)
{
	is(aj_wait($node, $id), 'completed', "job $id, that was in the middle of its pipeline, ends");
	is($node->safe_psql('postgres', "SELECT asyncjob.result($id)"),
		qq({"n": $id, "first": {"painted": true}}), 'with the output of the step that was finished before');
}
is(aj_status($node, 5, 'state'), 'queued', 'a paused queue is paused');
$node->safe_psql('postgres', "SELECT asyncjob.resume_queue('lane')", extra_params => [ '-U', 'boss' ]);
is(aj_wait($node, 5), 'completed', 'its job runs when it goes on');
$node->safe_psql('postgres', "UPDATE asyncjob.job SET run_at = now() WHERE id = 3");
is(aj_wait($node, 3), 'completed', 'a retry takes place');
$node->safe_psql('postgres', 'SELECT asyncjob.retry(2)', extra_params => [ '-U', 'app' ]);
is(aj_wait($node, 2), 'completed', 'a dead letter can be retried');
my $new = aj_submit($node, 'noop', as => 'app');
is($new, 9, 'new jobs go on with the numbers');
is(aj_wait($node, $new), 'completed', 'and run');
is($node->safe_psql('postgres', "SELECT asyncjob.submit('work', '{}', unique_key => 'x')", extra_params => [ '-U', 'app' ]),
	10, 'pipelines are there');
is(aj_wait($node, 10), 'completed', 'and work');
is( $node->safe_psql('postgres', "SELECT count(*) FROM asyncjob.chat_message WHERE session_id = 'talk' AND job_id = 4 AND response_complete"),
	1, 'the job of a chat session tells it');
is($node->safe_psql('postgres', 'SELECT bool_and(ok) FROM asyncjob.check() WHERE item IN (\'version\', \'origin\', \'coordinator\')'),
	't', 'check() finds nothing wrong');
aj_quiet_log($node);

done_testing();

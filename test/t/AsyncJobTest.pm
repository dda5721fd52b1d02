# AsyncJobTest.pm: what the engine's TAP tests share.
#
# A node with the engine preloaded, a role that may submit, handlers whose end
# the test decides, and waiting for a condition instead of a time.

package AsyncJobTest;

use strict;
use warnings;

use Exporter 'import';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

our @EXPORT = qw(
  aj_node aj_database aj_role aj_submit aj_wait aj_status aj_in_step aj_gate
  aj_until aj_pids aj_rounds aj_seconds aj_timed aj_quiet_log
);

# Handlers and tables of the tests, in any database that asks for them.
#
# gated() leaves a row in effects, shows half of its way and goes on when the
# gate is open: the gate is a committed row, so it outlives any server.
my $common = <<'SQL';
CREATE TABLE gate (open boolean NOT NULL);
INSERT INTO gate VALUES (false);
CREATE TABLE effects (
    job bigint NOT NULL, step text NOT NULL, attempt int NOT NULL, pid int NOT NULL,
    who name NOT NULL DEFAULT current_user);
GRANT SELECT ON gate TO PUBLIC;
GRANT SELECT, INSERT ON effects TO PUBLIC;

CREATE FUNCTION quick(a jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO public.effects
        VALUES (asyncjob.current_job(), 'quick', asyncjob.attempt(), pg_backend_pid());
    RETURN jsonb_build_object('quick', true);
END $$;

CREATE FUNCTION gated(a jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO public.effects
        VALUES (asyncjob.current_job(), 'gated', asyncjob.attempt(), pg_backend_pid());
    PERFORM asyncjob.progress(0.5, 'at the gate');
    LOOP
        EXIT WHEN (SELECT open FROM public.gate);
        PERFORM pg_sleep(0.01);
    END LOOP;
    RETURN jsonb_build_object('gated', true);
END $$;

SELECT asyncjob.create_pipeline('quick', '[{"name": "quick", "handler": "public.quick"}]');
SELECT asyncjob.create_pipeline('gated',
    '[{"name": "first", "handler": "public.quick"},
      {"name": "second", "handler": "public.gated", "max_attempts": 1}]');
SQL

# A started server with asyncjob in database postgres, or with init => 0 only
# its settings.  conf is appended to postgresql.conf.
sub aj_node
{
	my ($name, %opt) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);

	$node->init(allows_streaming => $opt{streaming} // 0);
	$node->append_conf('postgresql.conf', <<'CONF');
shared_preload_libraries = 'asyncjob'
log_statement = none
log_min_messages = log
asyncjob.poll_interval = 500ms
asyncjob.worker_idle_timeout = 60s
CONF
	$node->append_conf('postgresql.conf', $opt{conf}) if defined $opt{conf};
	$node->start;
	aj_database($node, 'postgres') unless $opt{bare};
	return $node;
}

# The extension and the handlers in a database.
sub aj_database
{
	my ($node, $db) = @_;

	$node->safe_psql('postgres', "CREATE DATABASE $db") unless $db eq 'postgres';
	$node->safe_psql($db, "CREATE EXTENSION asyncjob; $common");
	return;
}

# A role that may use asyncjob, and run the pipelines above, in a database.
sub aj_role
{
	my ($node, $role, $db) = @_;

	$db //= 'postgres';
	$node->safe_psql($db, <<SQL);
DO \$\$ BEGIN
    CREATE ROLE $role LOGIN;
EXCEPTION WHEN duplicate_object THEN NULL;
END \$\$;
SELECT asyncjob.grant_usage('$role');
SELECT asyncjob.grant_pipeline(p, '$role') FROM unnest(ARRAY['quick', 'gated']) p;
SQL
	return $role;
}

# Submit a job; as => role, db => database, params => JSON, args => further
# arguments in SQL.
sub aj_submit
{
	my ($node, $pipeline, %opt) = @_;
	my $params = $opt{params} // '{}';
	my $args = defined $opt{args} ? ", $opt{args}" : '';
	my @user = defined $opt{as} ? (extra_params => [ '-U', $opt{as} ]) : ();

	return $node->safe_psql($opt{db} // 'postgres',
		"SELECT asyncjob.submit('$pipeline', '$params'$args)", @user);
}

# Wait for the end of a job; returns its state, whatever that is in the end.
sub aj_wait
{
	my ($node, $id, $db) = @_;
	my $limit = $PostgreSQL::Test::Utils::timeout_default / 2;

	return $node->safe_psql($db // 'postgres',
		"SELECT state FROM asyncjob.wait($id, '$limit s')");
}

# Columns of a job's status, joined by |.
sub aj_status
{
	my ($node, $id, $columns, $db) = @_;

	return $node->safe_psql($db // 'postgres',
		"SELECT $columns FROM asyncjob.status($id)");
}

# Wait until a query says true.  Connections that fail are tried again.
sub aj_until
{
	my ($node, $what, $query, $db) = @_;
	my $done;

	# a psql that finds no server may end before it has read the query
	do
	{
		$done = eval { $node->poll_query_until($db // 'postgres', $query) };
	} while (!defined $done && $@ =~ /Broken pipe/);
	die $@ unless defined $done;

	diag("still waiting for: $what") unless $done;
	return $done;
}

# Wait until a job stands at the gate.
sub aj_in_step
{
	my ($node, $id, $db) = @_;

	return aj_until($node, "job $id to reach the gate",
		"SELECT state = 'running' AND coalesce(step_progress, 0) = 0.5 FROM asyncjob.status($id)",
		$db);
}

sub aj_gate
{
	my ($node, $open, $db) = @_;

	$node->safe_psql($db // 'postgres', "UPDATE gate SET open = " . ($open ? 'true' : 'false'));
	return;
}

# Process ids of the engine's processes: launcher, coordinator or worker, of
# one database or of all.
sub aj_pids
{
	my ($node, $type, $db) = @_;
	my $where = defined $db ? "AND datname = '$db'" : '';

	return split /\n/, $node->safe_psql('postgres',
		"SELECT pid FROM pg_stat_activity WHERE backend_type = 'asyncjob $type' $where ORDER BY pid");
}

# Wait until the coordinator of a database has been at work n times more: that
# it then has done nothing is an answer.  The caller watches from outside, so
# the transactions are the engine's.
sub aj_rounds
{
	my ($node, $db, $n) = @_;
	my $seen = $node->safe_psql('postgres',
		"SELECT xact_commit FROM pg_stat_database WHERE datname = '$db'");

	return aj_until($node, "$n rounds in $db",
		"SELECT xact_commit >= $seen + $n FROM pg_stat_database WHERE datname = '$db'");
}

# Seconds that a piece of code takes, and what it returned.
sub aj_timed
{
	my ($code) = @_;
	my $start = time;
	my @result = $code->();

	return (time - $start, @result);
}

# The result of a query that computes an interval, in seconds.
sub aj_seconds
{
	my ($node, $query, $db) = @_;

	return $node->safe_psql($db // 'postgres', "SELECT extract(epoch FROM ($query))");
}

# No process crashed in what the server has logged.
sub aj_quiet_log
{
	my ($node, $name) = @_;
	my $log = slurp_file($node->logfile);
	my @bad = grep { /PANIC|TRAP|terminated by signal|server process .* was terminated|WARNING: .*(leak|snapshot)/ }
	  split /\n/, $log;

	is("@bad", '', $name // 'no process of the server crashed');
	return;
}

1;

# A job's owner who means harm: settings of the role, of the session and of
# the transaction, things left behind in the session, shadowed names, code
# that runs late.  The engine's books must be right each time, the next job
# must find a clean session, and nobody may ever be anybody else.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use AsyncJobTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = aj_node('hostile', conf => "asyncjob.max_workers = 1\n");
my $super = $node->safe_psql('postgres', 'SELECT current_user');
my @as = (extra_params => [ '-U', 'mallory' ]);

aj_role($node, $_) for qw(mallory friend);
$node->safe_psql('postgres', <<SQL);
GRANT friend TO mallory;
GRANT CREATE ON SCHEMA public TO mallory;
GRANT CREATE ON DATABASE postgres TO mallory;

-- Who code of mallory's runs as, wherever it runs.
CREATE TABLE witness (
    tag text, who name, session name, is_superuser text, super boolean, at timestamptz);
GRANT INSERT, SELECT ON witness TO PUBLIC;
CREATE FUNCTION witness(tag text) RETURNS boolean LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp AS \$\$
BEGIN
    INSERT INTO public.witness
        SELECT tag, current_user, session_user, current_setting('is_superuser'),
               (SELECT rolsuper FROM pg_roles WHERE rolname = current_user), clock_timestamp();
    RETURN true;
END \$\$;

-- The session as a job finds it.
CREATE FUNCTION probe(a jsonb) RETURNS jsonb LANGUAGE plpgsql AS \$\$
DECLARE
    last text := 'none';
    settings jsonb;
BEGIN
    SELECT jsonb_object_agg(name, setting) INTO settings FROM pg_settings;
    BEGIN
        last := lastval()::text;
    EXCEPTION WHEN OTHERS THEN NULL;
    END;
    RETURN jsonb_build_object(
        'settings', settings,
        'user', current_user, 'session_user', session_user,
        'role', current_setting('role'),
        'is_superuser', current_setting('is_superuser'),
        'user_id', coalesce(current_setting('asyncjob.user_id', true), ''),
        'temp relations', (SELECT count(*) FROM pg_class WHERE relnamespace = pg_my_temp_schema()),
        'temp functions', (SELECT count(*) FROM pg_proc WHERE pronamespace = pg_my_temp_schema()),
        'prepared', (SELECT count(*) FROM pg_prepared_statements WHERE from_sql),
        'cursors', (SELECT count(*) FROM pg_cursors WHERE name <> ''),
        'advisory locks', (SELECT count(*) FROM pg_locks
                           WHERE locktype = 'advisory' AND pid = pg_backend_pid()),
        'channels', (SELECT count(*) FROM pg_listening_channels()),
        'lastval', last,
        'visible job', to_regclass('job')::text);
END \$\$;

-- A second step that writes all kinds of books, and waits at the gate.
CREATE FUNCTION bookish(a jsonb) RETURNS jsonb LANGUAGE plpgsql AS \$\$
BEGIN
    PERFORM asyncjob.log('info', 'one line', '{"n": 1}');
    PERFORM asyncjob.artifact('thing', 'test', 'text/plain', 'abc'::bytea);
    PERFORM public.gated(a);
    RETURN '{"done": true}';
END \$\$;
SELECT asyncjob.create_pipeline('probe', '[{"name": "probe", "handler": "public.probe"}]');
SELECT asyncjob.create_pipeline('bookish',
    '[{"name": "first", "handler": "public.quick", "max_attempts": 1},
      {"name": "second", "handler": "public.bookish", "max_attempts": 1}]');
SELECT asyncjob.grant_pipeline(p, 'mallory') FROM unnest(ARRAY['probe', 'bookish']) p;
SQL

# Names that the engine's statements use, in a schema of mallory's: each tells
# when it is used, and does what the real one does.
my @evil = ('CREATE SCHEMA evil', 'SET search_path = pg_catalog');
for my $type (qw(bigint integer smallint oid text boolean timestamptz name jsonb))
{
	my $k = 0;
	for my $op ('=', '<>', '<', '>', '<=', '>=')
	{
		$k++;
		push @evil,
		  "CREATE FUNCTION evil.op_$type$k($type, $type) RETURNS boolean LANGUAGE plpgsql AS "
		  . "'BEGIN PERFORM public.witness(''evil operator''); RETURN \$1 OPERATOR(pg_catalog.$op) \$2; END'";
		push @evil, "CREATE OPERATOR evil.$op (FUNCTION = evil.op_$type$k, LEFTARG = $type, RIGHTARG = $type)";
		push @evil, "CREATE OPERATOR public.$op (FUNCTION = evil.op_$type$k, LEFTARG = $type, RIGHTARG = $type)";
	}
}
for my $f (
	'clock_timestamp() RETURNS timestamptz', 'least(integer, integer) RETURNS integer',
	'jsonb_agg(jsonb) RETURNS jsonb',        'pg_has_role(oid, oid, text) RETURNS boolean',
	'jsonb_array_length(jsonb) RETURNS integer')
{
	my ($name, $type) = $f =~ /^(\w+).* RETURNS (\w+)/;
	next if $name eq 'least';
	for my $schema ('evil', 'public')
	{
		push @evil, "CREATE FUNCTION $schema.$f LANGUAGE plpgsql AS "
		  . "'BEGIN PERFORM public.witness(''evil function''); RETURN NULL::$type; END'";
	}
}
push @evil, "CREATE TABLE evil.$_ (id bigint)" for qw(job queue pipeline owner origin checkpoint job_update);
$node->safe_psql('postgres', join(";\n", @evil), @as);

# Everything about a job that ran both steps of a pipeline, on one line.
sub books
{
	my ($id) = @_;

	return $node->safe_psql('postgres', <<SQL);
SELECT state, failures, free_retries, crashes, suspect, worker_id IS NULL AS idle, step_no,
       (SELECT string_agg(step_no || ':' || attempt, ' ') FROM asyncjob.checkpoint WHERE job_id = j.id) AS checkpoints,
       (SELECT string_agg(seq || ':' || kind, ' ' ORDER BY seq) FROM asyncjob.updates(j.id)) AS updates,
       seq, (SELECT string_agg(name || ':' || size, ' ') FROM asyncjob.artifact WHERE job_id = j.id) AS artifacts,
       (SELECT string_agg(step || ':' || attempt, ' ' ORDER BY step) FROM effects WHERE job = j.id) AS effects,
       result, finished_at BETWEEN created_at AND clock_timestamp() AS timely
FROM asyncjob.job j WHERE id = $id
SQL
}

# Submit as mallory, in a session without the settings of her role.
sub submit
{
	my ($pipeline) = @_;

	return $node->safe_psql('postgres', "SET ROLE mallory; SELECT asyncjob.submit('$pipeline')");
}

# A session that locks a job's row when the worker wants to write it.
my $rival = $node->background_psql('postgres');
$rival->set_query_timer_restart;

sub contended
{
	my ($what) = @_;

	aj_gate($node, 0);
	my $id = submit('bookish');
	my $there = aj_in_step($node, $id);
	$rival->query_safe("BEGIN; UPDATE asyncjob.job SET session_id = session_id WHERE id = $id", verbose => 0);
	aj_gate($node, 1);
	my $waits = $there && aj_until($node, "$what: the worker to wait for the row",
		"SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'asyncjob worker' AND wait_event_type = 'Lock'");
	$rival->query_safe('COMMIT', verbose => 0);
	my $state = aj_wait($node, $id);
	ok($waits && $state eq 'completed', "$what: a job completes although its row was locked");
	return books($id);
}

sub new_worker
{
	$node->safe_psql('postgres',
		"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'asyncjob worker'");
	aj_until($node, 'the worker to end',
		"SELECT count(*) = 0 FROM asyncjob.workers()");
	return;
}

my $books = contended('no harm');
is( $books,
	'completed|0|0|0|f|t|1|0:1|1:state 2:state 3:step 4:log 5:state|5|thing:3|gated:1 quick:1|{"done": true}|t',
	'the books of a harmless job');

# Settings of the role.
my %setting = (
	array_nulls => 'off',
	bytea_output => 'escape',
	client_encoding => 'LATIN1',
	client_min_messages => 'debug5',
	constraint_exclusion => 'on',
	DateStyle => 'SQL, DMY',
	default_transaction_deferrable => 'on',
	default_transaction_isolation => 'serializable',
	default_transaction_read_only => 'on',
	enable_indexscan => 'off',
	enable_seqscan => 'off',
	extra_float_digits => '-15',
	exit_on_error => 'on',
	from_collapse_limit => '1',
	idle_in_transaction_session_timeout => '1ms',
	idle_session_timeout => '1ms',
	IntervalStyle => 'sql_standard',
	jit_above_cost => '0',
	lock_timeout => '1ms',
	plan_cache_mode => 'force_generic_plan',
	quote_all_identifiers => 'on',
	role => 'friend',
	row_security => 'off',
	standard_conforming_strings => 'off',
	statement_timeout => '1ms',
	synchronous_commit => 'off',
	TimeZone => 'Asia/Kathmandu',
	transform_null_equals => 'on',
	work_mem => '64kB');

my $server_version = $node->safe_psql('postgres', 'SHOW server_version_num');
$setting{ $server_version >= 160000 ? 'debug_parallel_query' : 'force_parallel_mode' } = 'regress';
$setting{transaction_timeout} = '1ms' if $server_version >= 170000;
delete $setting{standard_conforming_strings} if $server_version >= 190000;

for my $name (sort keys %setting)
{
	$node->safe_psql('postgres', "ALTER ROLE mallory SET $name = '$setting{$name}'");
	new_worker();
	is(contended("ALTER ROLE SET $name"), $books, "ALTER ROLE SET $name: the books are right");
	$node->safe_psql('postgres', 'ALTER ROLE mallory RESET ALL');
}
# A handler that sets this one for its own transaction asks for its own end.
delete $setting{transaction_timeout};

for my $path ('evil, pg_catalog', 'public, pg_catalog', '"$user", evil, public')
{
	$node->safe_psql('postgres', "ALTER ROLE mallory SET search_path = $path");
	new_worker();
	is(contended("search_path $path"), $books, "ALTER ROLE SET search_path = $path: the books are right");
	$node->safe_psql('postgres', 'ALTER ROLE mallory RESET ALL');
}
is($node->safe_psql('postgres', "SELECT count(*) FROM witness WHERE tag LIKE 'evil%'"),
	0, 'no statement of the engine has used a name of hers');
$node->safe_psql('postgres',
	'SET search_path = evil, public, pg_catalog; SELECT 1::bigint = 1::bigint, clock_timestamp(); SELECT count(*) FROM job', @as);
is($node->safe_psql('postgres', "SELECT string_agg(tag, ', ' ORDER BY tag) FROM witness WHERE tag LIKE 'evil%'"),
	'evil function, evil operator', 'but they do lie in wait');
my ($rc) = $node->psql('postgres', 'ALTER ROLE mallory SET session_replication_role = replica', @as);
isnt($rc, 0, 'session_replication_role is not hers to set');

# Things left behind.  Each handler runs as the first step of two, then the
# session must be as it was for the first job.
new_worker();
my $id = submit('probe');
is(aj_wait($node, $id), 'completed', 'a job sees a new session');
my $clean = $node->safe_psql('postgres', "SELECT jsonb_pretty(asyncjob.result($id))");
my ($worker) = aj_pids($node, 'worker');
like($clean, qr/"is_superuser": "off"/, 'it is no superuser');

$node->safe_psql('postgres', <<'SQL', @as);
CREATE TABLE late (tag text);
CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM witness('deferred ' || NEW.tag);
    IF NEW.tag = 'chain' THEN
        -- code for the time after the engine has written its books
        SET CONSTRAINTS ALL DEFERRED;
        INSERT INTO late VALUES ('end of chain');
    ELSIF NEW.tag = 'role' THEN
        RESET ROLE;
        RESET SESSION AUTHORIZATION;
        PERFORM witness('deferred role reset');
    ELSIF NEW.tag = 'error' THEN
        RAISE EXCEPTION 'too late' USING ERRCODE = 'AJ001';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER late AFTER INSERT ON late DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION late();
CREATE SEQUENCE numbers;
CREATE TABLE loot (what text);
SQL

# A piece of plpgsql that must fail; if it doesn't, that is noted.
sub must_fail
{
	my ($sql) = @_;
	(my $text = $sql) =~ s/'/''/g;

	return "BEGIN EXECUTE '$text'; INSERT INTO public.loot VALUES ('$text'); EXCEPTION WHEN OTHERS THEN NULL; END;";
}

my @left = (
	'session settings' => join(' ',
		map { "PERFORM set_config('$_->[0]', '$_->[1]', false);" }
		  [ 'search_path', 'evil, public' ],
		(map { [ $_, $setting{$_} ] } grep { $_ ne 'role' } sort keys %setting),
		[ 'asyncjob.user_id', 'somebody' ],
		[ 'asyncjob.require_user_id', 'on' ],
		[ 'application_name', 'something else' ]),
	'settings of the transaction' => join(' ',
		map { "PERFORM set_config('$_->[0]', '$_->[1]', true);" }
		  [ 'search_path', 'evil, public' ],
		(map { [ $_, $setting{$_} ] } sort keys %setting)),
	'SET ROLE' => "SET ROLE friend; PERFORM public.witness('set role');",
	'SET LOCAL ROLE' => "SET LOCAL ROLE friend; PERFORM public.witness('set local role');",
	'becoming somebody' => "RESET ROLE; RESET SESSION AUTHORIZATION; SET SESSION AUTHORIZATION DEFAULT; "
	  . join(' ', map { must_fail($_) } "SET ROLE $super", "SET SESSION AUTHORIZATION $super",
		"SET LOCAL SESSION AUTHORIZATION $super", 'SET SESSION AUTHORIZATION friend',
		'SET session_replication_role = replica')
	  . " PERFORM public.witness('reset');",
	'temporary objects' => join(' ',
		(map { "CREATE TEMP TABLE $_ (id bigint, state text);" } qw(job job_update checkpoint queue pipeline owner origin artifact pg_class pg_roles pg_proc)),
		"CREATE FUNCTION pg_temp.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS 'SELECT public.witness(''temp''), NULL::timestamptz; SELECT NULL::timestamptz';",
		"CREATE FUNCTION pg_temp.jsonb_object_agg(text, jsonb) RETURNS jsonb LANGUAGE plpgsql AS 'BEGIN PERFORM public.witness(''temp''); RETURN NULL; END';",
		"CREATE TYPE pg_temp.job_state AS ENUM ('stolen');"),
	'prepared statements' => "EXECUTE 'PREPARE mine AS SELECT public.witness(''prepared'')';",
	'cursors' => "EXECUTE 'DECLARE held CURSOR WITH HOLD FOR SELECT public.witness(''hold'') FROM generate_series(1, 3)'; "
	  . "EXECUTE 'DECLARE short CURSOR FOR SELECT 1';",
	'a held cursor of another role' => "SET ROLE friend; EXECUTE 'DECLARE held CURSOR WITH HOLD FOR SELECT public.witness(''hold'') FROM generate_series(1, 3)';",
	'deferred triggers' => "INSERT INTO public.late VALUES ('plain'), ('chain'), ('role');",
	'advisory locks' => 'PERFORM pg_advisory_lock(1); PERFORM pg_advisory_lock_shared(2, 3); PERFORM pg_advisory_xact_lock(4);',
	'LISTEN' => "BEGIN EXECUTE 'LISTEN something'; EXCEPTION WHEN OTHERS THEN NULL; END;",
	'SET TRANSACTION READ ONLY' => 'SET TRANSACTION READ ONLY;',
	'an isolation level' => must_fail('SET TRANSACTION ISOLATION LEVEL SERIALIZABLE'),
	'sequences' => "PERFORM nextval('public.numbers');",
	'DISCARD and DEALLOCATE' => "EXECUTE 'DEALLOCATE ALL'; EXECUTE 'DISCARD PLANS'; EXECUTE 'DISCARD SEQUENCES'; " . must_fail('DISCARD ALL'),
	'engine tables and functions' => join(' ',
		(map { must_fail($_) }
			'UPDATE asyncjob.job SET priority = 10', 'DELETE FROM asyncjob.job_update',
			"INSERT INTO asyncjob.checkpoint VALUES (1, 1, 1, now(), now(), '{}')",
			'SELECT count(*) FROM asyncjob.checkpoint',
			'LOCK TABLE asyncjob.job IN EXCLUSIVE MODE', 'TRUNCATE asyncjob.job',
			'SELECT asyncjob._install()', 'SELECT asyncjob.resume()',
			"SELECT asyncjob.create_queue('mine')", "SELECT asyncjob.pause_queue('default')",
			"SELECT asyncjob.grant_admin('mallory')", 'DROP EXTENSION asyncjob',
			"SELECT setval('asyncjob.job_id_seq', 1)",
			'CREATE TABLE asyncjob.mine (id int)')),
	'subtransactions' => "FOR i IN 1 .. 100 LOOP BEGIN INSERT INTO public.late VALUES ('sub'); RAISE EXCEPTION 'x'; EXCEPTION WHEN OTHERS THEN NULL; END; END LOOP;",
	'a job in the job' => "PERFORM asyncjob.run('noop', '{\"n\": 1}');");

my $n = 0;
my $straight;
while (my ($what, $body) = splice(@left, 0, 2))
{
	$n++;
	$node->safe_psql('postgres', <<SQL, @as);
CREATE FUNCTION nasty_$n(a jsonb) RETURNS jsonb LANGUAGE plpgsql AS \$nasty\$
BEGIN
    PERFORM public.quick(a);
    PERFORM asyncjob.log('info', 'one line');
    $body
    RETURN a;
END \$nasty\$;
SELECT asyncjob.create_pipeline('nasty_$n',
    '[{"name": "first", "handler": "public.nasty_$n", "max_attempts": 1},
      {"name": "second", "handler": "public.gated", "max_attempts": 1}]');
SQL
	aj_gate($node, 1);
	$id = submit("nasty_$n");
	is(aj_wait($node, $id), 'completed', "$what: the job completes")
	  or diag(aj_status($node, $id, 'error_code, error_message, error_detail'));
	is( books($id),
		'completed|0|0|0|f|t|1|0:1|1:state 2:state 3:log 4:step 5:state|5||gated:1 quick:1|{"gated": true}|t',
		"$what: the books are right");
	my $probe = submit('probe');
	is(aj_wait($node, $probe), 'completed', "$what: the next job runs");
	is($node->safe_psql('postgres', "SELECT jsonb_pretty(asyncjob.result($probe))"),
		$clean, "$what: and finds a clean session");
}
is((aj_pids($node, 'worker'))[0], $worker, 'all in one process');
is( $node->safe_psql('postgres', "SELECT string_agg(tag, ', ' ORDER BY tag) FROM (SELECT DISTINCT tag FROM witness WHERE tag !~ '^(evil|temp)') t"),
	'deferred chain, deferred end of chain, deferred plain, deferred role, deferred role reset, hold, reset, set local role, set role',
	'what was to run late has run');

# A deferred trigger that fails is the step's failure, with nothing left.
$node->safe_psql('postgres', <<'SQL', @as);
CREATE FUNCTION late_error(a jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    PERFORM public.quick(a);
    INSERT INTO public.late VALUES ('error');
    RETURN a;
END $$;
SELECT asyncjob.create_pipeline('late_error', '[{"name": "only", "handler": "public.late_error"}]');
CREATE FUNCTION self_cancel(a jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    PERFORM public.quick(a);
    PERFORM pg_cancel_backend(pg_backend_pid());
    PERFORM pg_sleep(10);
    RETURN a;
END $$;
SELECT asyncjob.create_pipeline('self_cancel', '[{"name": "only", "handler": "public.self_cancel", "max_attempts": 1}]');
SQL
for my $case ([ 'late_error', 'too late' ], [ 'self_cancel', 'canceling statement due to user request' ])
{
	$id = submit($case->[0]);
	is(aj_wait($node, $id), 'failed', "$case->[0]: the job fails");
	is(aj_status($node, $id, 'error_message, attempt'), "$case->[1]|1", "$case->[0]: with that error");
	is($node->safe_psql('postgres', "SELECT count(*) FROM effects WHERE job = $id"), 0, "$case->[0]: without effect");
}
$id = submit('probe');
is(aj_wait($node, $id), 'completed', 'the next job runs');
is($node->safe_psql('postgres', "SELECT jsonb_pretty(asyncjob.result($id))"), $clean, 'and finds a clean session');

# Who was anybody at any time?
is($node->safe_psql('postgres', 'SELECT string_agg(what, chr(10)) FROM loot'), '', 'nothing that must fail has succeeded');
is( $node->safe_psql('postgres',
		"SELECT DISTINCT tag, who, session, is_superuser, super FROM witness WHERE who NOT IN ('mallory', 'friend') OR session <> 'mallory' OR is_superuser <> 'off' OR super"),
	'', 'nobody was ever anybody else');
is($node->safe_psql('postgres', "SELECT string_agg(DISTINCT who::text, ' ' ORDER BY who::text) FROM witness"),
	'friend mallory', 'but mallory, and friend where she was allowed to');

# And the server's other users are as they were.
$id = aj_submit($node, 'quick');
is(aj_wait($node, $id), 'completed', 'a job of somebody else runs');
is($node->safe_psql('postgres', "SELECT who FROM effects WHERE job = $id"), $super, 'as that role');

$rival->quit;
aj_quiet_log($node);
$node->stop;
done_testing();

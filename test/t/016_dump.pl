# A dump takes the jobs along; restored elsewhere they wait for resume(), and
# belong to the roles of the same names.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use AsyncJobTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# Roles of the same names get each other's place, and one that is missing is
# replaced by a stranger: OIDs mean nothing there.
my $source = aj_node('source', bare => 1);
my $target = aj_node('target', bare => 1, conf => "asyncjob.poll_interval = 100ms\n");
my $oids = "SELECT string_agg(oid::text, ' ' ORDER BY oid) FROM pg_roles WHERE rolcanlogin AND NOT rolsuper";
$source->safe_psql('postgres', 'CREATE ROLE alice LOGIN; CREATE ROLE bob LOGIN; CREATE ROLE carol LOGIN; CREATE ROLE dora LOGIN');
$target->safe_psql('postgres', 'CREATE ROLE bob LOGIN; CREATE ROLE alice LOGIN; CREATE ROLE mallory LOGIN; CREATE ROLE other LOGIN; CREATE ROLE dora LOGIN');
is(substr($target->safe_psql('postgres', $oids), 0, length $source->safe_psql('postgres', $oids)),
	$source->safe_psql('postgres', $oids), 'the OIDs of the roles are those of others in the target');
$target->safe_psql('postgres', 'CREATE DATABASE restored');

aj_database($source, 'postgres');
aj_role($source, $_) for qw(alice bob carol dora);
$source->safe_psql('postgres', <<'SQL');
SELECT asyncjob.create_queue('lane');
SELECT asyncjob.pause_queue('lane');
CREATE FUNCTION paint(a jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    PERFORM asyncjob.log('info', 'painting');
    PERFORM asyncjob.artifact('small', 'picture', 'image/png', '\x0102'::bytea);
    PERFORM asyncjob.artifact('big', 'picture', 'image/png',
        (SELECT string_agg(sha256(n::text::bytea), '' ORDER BY n) FROM generate_series(1, 100000) n));
    RETURN '{"painted": true}';
END $$;
CREATE FUNCTION who(a jsonb) RETURNS jsonb LANGUAGE sql AS
    $$ SELECT jsonb_build_object('who', current_user) $$;
SQL
$source->safe_psql('postgres', <<'SQL', extra_params => [ '-U', 'alice' ]);
SELECT asyncjob.create_pipeline('paint', '[{"name": "paint", "handler": "public.paint"}]');
SELECT asyncjob.create_pipeline('who', '[{"name": "old", "handler": "public.paint"}]');
SELECT asyncjob.create_pipeline('who', '[{"name": "who", "handler": "public.who"}]');
SELECT asyncjob.grant_pipeline('who', 'bob');
SQL
$source->safe_psql('postgres', "SELECT asyncjob.create_chat_session('talk')",
	extra_params => [ '-U', 'alice' ]);
# dora defines and is granted, but never submits
$source->safe_psql('postgres', <<'SQL', extra_params => [ '-U', 'dora' ]);
SELECT asyncjob.create_pipeline('dora', '[{"name": "who", "handler": "public.who"}]');
SQL

my $done = aj_submit($source, 'paint', as => 'alice', args => "session_id => 'talk'");
is(aj_wait($source, $done), 'completed', 'a job with artifacts completes');
my $running = aj_submit($source, 'gated', as => 'bob');
ok(aj_in_step($source, $running), 'one is running');
my $future = aj_submit($source, 'who', as => 'alice', args => "run_at => now() + interval '1 hour'");
$source->safe_psql('postgres', "SELECT asyncjob.pause_queue('default')");
my $ready = aj_submit($source, 'who', as => 'bob');
my $lane = aj_submit($source, 'who', as => 'alice', args => "queue => 'lane'");
my $lost = aj_submit($source, 'quick', as => 'carol');

my $dump = PostgreSQL::Test::Utils::tempdir() . '/dump.sql';
$source->command_ok(
	[ 'pg_dump', '--no-sync', '-f', $dump, '-d', $source->connstr('postgres') ],
	'pg_dump');
my $facts = <<'SQL';
SELECT j.id, state, pipeline_id, priority, params, result, error, session_id, o.rolname
  FROM asyncjob.job j JOIN asyncjob.owner o ON o.role = j.owner ORDER BY j.id;
SELECT job_id, name, size, sha256, md5(coalesce(data, '')) FROM asyncjob.artifact ORDER BY 1, 2;
SELECT job_id, name, chunk_no, md5(data) FROM asyncjob.artifact_chunk ORDER BY 1, 2, 3;
SELECT session_id, content, job_id, response_complete, thought_steps FROM asyncjob.chat_message ORDER BY id;
SELECT name, version, steps, is_current FROM asyncjob.pipeline WHERE id >= 1000 ORDER BY 1, 2;
SELECT job_id, seq, kind, message FROM asyncjob.job_update ORDER BY 1, 2;
SELECT name, paused FROM asyncjob.queue WHERE id >= 1000;
SQL
my $wanted = $source->safe_psql('postgres', $facts);
my $last = $source->safe_psql('postgres', 'SELECT max(id) FROM asyncjob.job');

# The restore stops where the jobs are in and what follows is not: the engine
# must not start on them.  psql commits each COPY, as pg_restore does.
my $text = slurp_file($dump);
my $cut = index($text, "\n\\.\n", index($text, "COPY asyncjob.job (")) + 4;
ok($cut > 4, 'the dump holds the jobs');
$target->safe_psql('restored', substr($text, 0, $cut));
is($target->safe_psql('restored', 'SELECT count(*) FROM asyncjob.job'), 6, 'half restored, the jobs are there');
ok( aj_until($target, 'the coordinator',
		"SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = 'restored' AND backend_type = 'asyncjob coordinator'"),
	'the coordinator of the new database has come');
ok(aj_rounds($target, 'restored', 10), 'and looks at the queue again and again');
is( $target->safe_psql('restored', "SELECT string_agg(state::text, ' ' ORDER BY id) FROM asyncjob.job"),
	'completed running queued queued queued queued', 'while the restore goes on nothing runs');
my (undef, undef, $errors) = $target->psql('restored', substr($text, $cut), on_error_stop => 0);
is(join(' ', grep { !/role "carol" does not exist/ } $errors =~ /ERROR: .*/g),
	'', 'the rest is restored, but for the grants of a role that is not there');

is($target->safe_psql('restored', $facts), $wanted, 'all has been restored');
like($target->safe_psql('restored', "SELECT asyncjob.explain($ready)"),
	qr/copied from another server or database; asyncjob\.resume\(\)/, 'explain() says what is up');
ok(aj_rounds($target, 'restored', 10), 'the coordinator looks at the queue again and again');
is( $target->safe_psql('restored', "SELECT string_agg(state::text, ' ' ORDER BY id) FROM asyncjob.job"),
	'completed running queued queued queued queued', 'nothing runs before resume()');
my ($rc, undef, $refusal) = $target->psql('restored', "SELECT asyncjob.submit('who')",
	extra_params => [ '-U', 'bob' ]);
isnt($rc, 0, 'a role whose OID was another role\'s cannot submit yet');
like($refusal, qr/asyncjob\.resume\(\)/, 'and is told what to do');
my $fresh = aj_submit($target, 'who', db => 'restored');
cmp_ok($fresh, '>', $last, 'a new job gets an id of its own');
ok(aj_rounds($target, 'restored', 10), 'the coordinator looks at the queue again and again');
is(aj_status($target, $fresh, 'state', 'restored'), 'queued', 'and waits too');

aj_gate($target, 1, 'restored');
$target->safe_psql('restored', 'SELECT asyncjob.resume()');
is(aj_wait($target, $_, 'restored'), 'completed', "after resume() job $_ runs") for $ready, $fresh, $running;
is($target->safe_psql('restored', "SELECT asyncjob.result($ready) ->> 'who'"), 'bob', 'as the role of its owner\'s name');
is( $target->safe_psql('restored',
		"SELECT string_agg(DISTINCT who::text, ' ') FROM effects WHERE job = $running AND step = 'gated'"),
	'bob', 'so does the one that was running when the dump was made');
like($target->safe_psql('restored', "SELECT asyncjob.explain($future)"), qr/not due before/, 'the future job waits for its time');
like($target->safe_psql('restored', "SELECT asyncjob.explain($lane)"), qr/queue "lane" is paused/, 'the paused queue is paused');
$target->safe_psql('restored', "SELECT asyncjob.resume_queue('lane')");
is(aj_wait($target, $lane, 'restored'), 'completed', 'and resumes');
is($target->safe_psql('restored', "SELECT asyncjob.result($lane) ->> 'who'"), 'alice', 'its job runs as its owner');

# The owner that is missing here is nobody else.
ok( aj_until($target, 'the dead letter', "SELECT state = 'failed' FROM asyncjob.job WHERE id = $lost", 'restored'),
	'the job of a role that does not exist here becomes a dead letter');
is(aj_status($target, $lost, 'error_code', 'restored'), 'owner_dropped', 'that says so');
like(aj_status($target, $lost, 'error_detail', 'restored'), qr/"carol"/, 'and names the role');
is( $target->safe_psql('restored',
		"SELECT string_agg(name || ':' || pg_get_userbyid(owner), ' ' ORDER BY name) FROM asyncjob.pipeline WHERE is_current AND name IN ('paint', 'dora')"),
	'dora:dora paint:alice', 'pipelines belong to the roles of the same names');
is( $target->safe_psql('restored',
		"SELECT string_agg(role::regrole::text, ' ' ORDER BY role::regrole::text) FROM asyncjob.pipeline_grant WHERE pipeline = 'quick'"),
	'alice bob dora', 'grants are of the roles of the same names');
is($target->safe_psql('restored', "SELECT owner::regrole FROM asyncjob.chat_session"), 'alice', 'so is the chat session');
$target->safe_psql('restored', "SELECT asyncjob.grant_usage('mallory')");
is( $target->safe_psql('restored', 'SELECT count(*) FROM asyncjob.list_jobs()', extra_params => [ '-U', 'mallory' ]),
	0, 'a stranger with the OID of another role sees nothing');

# Rights came along, by name.
is( $target->safe_psql('restored', "SELECT count(*) FROM asyncjob.job", extra_params => [ '-U', 'alice' ]),
	3, 'alice sees her own jobs');
($rc) = $target->psql('restored', "SELECT asyncjob.submit('who')", extra_params => [ '-U', 'other' ]);
isnt($rc, 0, 'a role that had no rights has none');
is( $target->safe_psql('restored',
		"SELECT encode(sha256(asyncjob.artifact_data($done, 'big')), 'hex') = (SELECT sha256 FROM asyncjob.artifacts($done) WHERE name = 'big')",
		extra_params => [ '-U', 'alice' ]),
	't', 'an artifact can be read');
$target->safe_psql('restored',
	"SELECT asyncjob.create_pipeline('who', '[{\"name\": \"third\", \"handler\": \"public.who\"}]')",
	extra_params => [ '-U', 'alice' ]);
is( $target->safe_psql('restored', "SELECT max(version) FROM asyncjob.pipeline WHERE name = 'who'"),
	3, 'a pipeline gets its next version');

aj_quiet_log($_) for $source, $target;
$_->stop for $source, $target;
done_testing();

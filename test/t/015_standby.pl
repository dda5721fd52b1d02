# A streaming standby runs nothing and takes nothing; promoted, it goes on
# with what was queued and with what was running.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use AsyncJobTest;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $primary = aj_node('primary', streaming => 1);
aj_role($primary, 'app');
$primary->safe_psql('postgres', "SELECT asyncjob.create_queue('held'); SELECT asyncjob.pause_queue('held')");

# The base backup is taken while a job runs, so it has all that lies in the
# data directory of a busy server.
my $before = aj_submit($primary, 'gated', as => 'app');
ok(aj_in_step($primary, $before), 'a job is in its step');
$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;

my $after = aj_submit($primary, 'gated', as => 'app');
ok(aj_in_step($primary, $after), 'another one, started after the backup');
my $held = aj_submit($primary, 'quick', as => 'app', args => "queue => 'held'");
my $later = aj_submit($primary, 'quick', as => 'app', args => "run_at => now() + interval '2 seconds'");
$primary->wait_for_catchup($standby);

is(scalar(map { aj_pids($standby, $_) } qw(launcher coordinator worker)),
	0, 'no process of the engine runs on the standby');
my ($rc, $out, $err) = $standby->psql('postgres', "SELECT asyncjob.submit('quick')",
	extra_params => [ '-U', 'app' ]);
isnt($rc, 0, 'submit() on the standby is refused');
like($err, qr/cannot execute submit\(\) during recovery/, 'and says why');
for my $call (
	"submit_many('quick', ARRAY['{}'::jsonb])", "run('quick')", 'drain()',
	"cancel($held)", "retry($held)", "create_queue('another')")
{
	($rc, $out, $err) = $standby->psql('postgres', "SELECT asyncjob.$call");
	isnt($rc, 0, "$call is refused");
	like($err, qr/recovery|read-only transaction/, 'for the same reason');
}
is(aj_status($standby, $before, 'state, step_no'), 'running|2', 'status() tells what the primary does');
is(aj_status($standby, $held, 'state'), 'queued', 'of queued jobs too');
is($standby->safe_psql('postgres', 'SELECT count(*) FROM asyncjob.list_jobs()'), 4, 'list_jobs() works');

is($standby->safe_psql('postgres', "SELECT ok, detail FROM asyncjob.check() WHERE item = 'coordinator'"),
	't|this server is a standby: jobs run here when it is promoted', 'check() knows that it is one');

# The client follows a job there, where it cannot LISTEN, and further when the
# standby has become the primary.
my ($seen, $errors) = ('', '');
my $watch = IPC::Run::start(
	[ 'asyncjob', '-h', $standby->host, '-p', $standby->port, '-d', 'postgres', 'watch', $held ],
	\'', \$seen, \$errors, IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
$watch->pump until $seen =~ /job $held queued/;

# The primary is lost and the standby takes over.
$primary->stop('immediate');
is( $standby->safe_psql('postgres', "SELECT string_agg(state::text, ' ' ORDER BY id) FROM asyncjob.job"),
	'running running queued queued', 'until then nothing runs');
$standby->promote;
ok( aj_until($standby, 'the coordinator',
		"SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'asyncjob coordinator'"),
	'after the promotion there is a coordinator');
for my $id ($before, $after)
{
	ok(aj_in_step($standby, $id), "job $id, which was running, runs again");
	is( $standby->safe_psql('postgres',
			"SELECT failures, free_retries, crashes, suspect FROM asyncjob.job WHERE id = $id"),
		'0|0|0|f', 'and the failover is charged to nobody');
}
unlike(slurp_file($standby->logfile), qr/was running when the server crashed/, 'nobody is suspected of a crash');
is(aj_wait($standby, $later), 'completed', 'a job that was due later runs');
is(aj_status($standby, $held, 'state'), 'queued', 'that of a paused queue does not');
$standby->safe_psql('postgres', "SELECT asyncjob.resume_queue('held')");
is(aj_wait($standby, $held), 'completed', 'before it is resumed');
$watch->finish;
is($watch->full_result(0) >> 8, 0, 'who watched it on the standby sees its end');
like($seen, qr/job $held completed/, 'and says so');
is($errors, '', 'without an error');
aj_gate($standby, 1);
for my $id ($before, $after)
{
	is(aj_wait($standby, $id), 'completed', "job $id completes");
	is( $standby->safe_psql('postgres',
			"SELECT string_agg(step || '/' || attempt, ' ' ORDER BY step) FROM effects WHERE job = $id"),
		'gated/1 quick/1', 'with the effects of each step once');
}
is(aj_wait($standby, aj_submit($standby, 'quick', as => 'app')), 'completed', 'new jobs are taken');

aj_quiet_log($standby);
$standby->stop;
done_testing();

# The coordinator looks at alarms, tells by NOTIFY what it finds, and says so
# once.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use AsyncJobTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = aj_node('alarms', conf => "asyncjob.alarm_interval = 100ms\n");
$node->safe_psql('postgres', <<'SQL');
CREATE FUNCTION bad(a jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RAISE 'bad'; END $$;
SELECT asyncjob.create_pipeline('bad', '[{"name": "bad", "handler": "public.bad", "max_attempts": 1}]');
SELECT asyncjob.set_alarm('dead_letters', 2);
SELECT asyncjob.create_queue('held');
SELECT asyncjob.pause_queue('held');
SELECT asyncjob.set_alarm('oldest_age', 1, queue => 'held', name => 'stuck');
SQL

my $listener = $node->background_psql('postgres');
$listener->query_safe('LISTEN asyncjob_alarm');

sub alarm_is
{
	my ($name, $state) = @_;

	return aj_until($node, "$name to be $state",
		"SELECT state = '$state' AND checked_at IS NOT NULL FROM asyncjob.alarms WHERE name = '$name'");
}

ok(alarm_is('dead_letters', 'ok'), 'all is well at first');
aj_wait($node, aj_submit($node, 'bad')) for 1 .. 3;
ok(alarm_is('dead_letters', 'raised'), 'three dead letters are more than two');
aj_submit($node, 'quick', args => "queue => 'held'");
ok(alarm_is('stuck', 'raised'), 'a job of a paused queue has waited for a second');
my $seen = $node->safe_psql('postgres', "SELECT checked_at FROM asyncjob.alarms WHERE name = 'stuck'");
ok( aj_until($node, 'further looks',
		"SELECT checked_at > '$seen'::timestamptz + interval '300 ms' FROM asyncjob.alarms WHERE name = 'stuck'"),
	'it is looked at again and again');
$node->safe_psql('postgres', "SELECT asyncjob.purge('{}'); SELECT asyncjob.resume_queue('held')");
ok(alarm_is($_, 'ok'), "$_ is cleared") for qw(dead_letters stuck);

my $heard = '';
foreach (1 .. 100)
{
	$heard .= $listener->query('SELECT 1');
	last if 4 <= (() = $heard =~ /asyncjob_alarm/g);
}
my @news = sort map { s/"value" : [^,]*/"value" : N/r } $heard =~ /payload "(\{.*?\})" received/g;
is_deeply(\@news, [
		'{"alarm" : "dead_letters", "state" : "cleared", "metric" : "dead_letters", "value" : N, "threshold" : 2}',
		'{"alarm" : "dead_letters", "state" : "raised", "metric" : "dead_letters", "value" : N, "threshold" : 2}',
		'{"alarm" : "stuck", "state" : "cleared", "metric" : "oldest_age", "value" : N, "threshold" : 1}',
		'{"alarm" : "stuck", "state" : "raised", "metric" : "oldest_age", "value" : N, "threshold" : 1}' ],
	'each change is told once');
$listener->quit;
aj_quiet_log($node);

done_testing();

# What a LISTENing session is told: the end of every job, every step that
# lasts longer than notify_interval, in order, and nothing that isn't its
# business.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use AsyncJobTest;
use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $node = aj_node('listen', conf => "asyncjob.notify_interval = 100ms\nasyncjob.max_workers = 6\n");
aj_role($node, $_) for qw(alice bob);
$node->safe_psql('postgres', <<'SQL');
-- Takes 1 s and says how far it is, far more often than is published.
CREATE FUNCTION slow(a jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    FOR i IN 1 .. 100 LOOP
        PERFORM asyncjob.progress(i / 100.0, 'secret message');
        PERFORM pg_sleep(0.01);
    END LOOP;
    RETURN '{"out": "secret result"}';
END $$;
CREATE FUNCTION fail(a jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'secret error' USING ERRCODE = 'AJ001'; END $$;
CREATE FUNCTION once_more(a jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    IF asyncjob.attempt() = 1 THEN RAISE EXCEPTION 'secret error'; END IF;
    RETURN a;
END $$;
SELECT asyncjob.create_pipeline('slow',
    '[{"name": "secret_a", "handler": "public.slow"}, {"name": "secret_b", "handler": "public.slow"},
      {"name": "secret_c", "handler": "public.slow"}]');
SELECT asyncjob.create_pipeline('fail', '[{"name": "secret", "handler": "public.fail"}]');
SELECT asyncjob.create_pipeline('once_more',
    '[{"name": "secret", "handler": "public.once_more", "backoff": ["10ms"]}]');
SELECT asyncjob.grant_pipeline(p, r) FROM unnest(ARRAY['slow', 'fail', 'once_more']) p,
    unnest(ARRAY['alice', 'bob']::regrole[]) r;
SQL

# A psql that LISTENs; it shows what has come after each command.
sub listener
{
	my ($channel) = @_;
	my $psql = $node->background_psql('postgres');

	$psql->set_query_timer_restart;

	$psql->query_safe("LISTEN \"$channel\"");
	return { psql => $psql, channel => $channel, heard => [], notices => [] };
}

# Take what has come; payloads are unpacked to single notices in order.
sub hear
{
	my ($listener) = @_;
	my $out = $listener->{psql}->query_safe('SELECT 1', verbose => 0);

	while ($out =~ /Asynchronous notification "([^"]+)" with payload "(.*)" received/g)
	{
		my ($channel, $payload) = ($1, $2);
		my $data = decode_json($payload);

		push @{ $listener->{heard} }, { channel => $channel, payload => $payload, data => $data };
		push @{ $listener->{notices} }, $data->{jobs} ? @{ $data->{jobs} } : $data;
	}
	return;
}

sub final
{
	return $_[0]->{state} =~ /^(completed|failed|cancelled)$/;
}

# Listen until all these jobs have ended, and then once more.
sub hear_all
{
	my ($listener, @jobs) = @_;
	my $give_up = time + $PostgreSQL::Test::Utils::timeout_default;
	my %open;

	do
	{
		hear($listener);
		%open = map { $_ => 1 } @jobs;
		delete $open{ $_->{job} } for grep { final($_) } @{ $listener->{notices} };
		select undef, undef, undef, 0.02 if %open;
	} while (%open && time < $give_up);

	# whatever is still on its way comes before the notice of a later job
	my $marker = aj_submit($node, 'noop');
	do
	{
		hear($listener);
	} until time > $give_up || $listener->{channel} ne 'asyncjob'
	  || grep { $_->{job} == $marker && final($_) } @{ $listener->{notices} };
	return sort { $a <=> $b } keys %open;
}

my $all = listener('asyncjob');
my $session = listener('asyncjob_session_talk');
$node->safe_psql('postgres', "SELECT asyncjob.create_chat_session('talk')",
	extra_params => [ '-U', 'alice' ]);

my @slow = map { aj_submit($node, 'slow', as => 'alice', params => '{"key": "secret param"}', args => "session_id => 'talk'") } 1 .. 3;
my $one = listener("asyncjob_job_$slow[1]");
my @quick = split /\n/, $node->safe_psql('postgres',
	"SELECT asyncjob.submit_many('noop', array_agg(jsonb_build_object('key', 'secret param', 'n', n))) FROM generate_series(1, 300) n",
	extra_params => [ '-U', 'bob' ]);
my $failing = aj_submit($node, 'fail', as => 'bob');
my $again = aj_submit($node, 'once_more', as => 'bob');
my $unborn = aj_submit($node, 'noop', as => 'bob', args => "run_at => now() + interval '1 hour'");
$node->safe_psql('postgres', "SELECT asyncjob.cancel($unborn)", extra_params => [ '-U', 'bob' ]);
my $stopped = aj_submit($node, 'gated', as => 'bob');
aj_in_step($node, $stopped);
$node->safe_psql('postgres', "SELECT asyncjob.cancel($stopped)", extra_params => [ '-U', 'bob' ]);

is(scalar @quick, 300, '300 short jobs and 3 long ones are submitted');
my @jobs = (@slow, @quick, $failing, $again, $unborn, $stopped);
is(join(' ', hear_all($all, @jobs)), '', 'the listener is told the end of every job');

# By job, in the order of arrival.
my %by_job;
push @{ $by_job{ $_->{job} } }, $_ for @{ $all->{notices} };

my (@disorder, @after_end, @wrong_end, @backward);
my %end = (map({ $_ => 'completed' } @slow, @quick, $again),
	$failing => 'failed', $unborn => 'cancelled', $stopped => 'cancelled');
for my $id (@jobs)
{
	my @notices = @{ $by_job{$id} };

	push @wrong_end, $id if $notices[-1]{state} ne $end{$id};
	push @after_end, $id if grep { final($_) } @notices[ 0 .. $#notices - 1 ];
	for my $i (1 .. $#notices)
	{
		push @disorder, $id if $notices[$i]{seq} < $notices[ $i - 1 ]{seq};
		push @backward, $id
		  if $notices[$i]{progress} < $notices[ $i - 1 ]{progress} && $end{$id} eq 'completed';
	}
}
is("@wrong_end", '', 'each with the state it has');
is("@after_end", '', 'nothing comes after the end of a job');
is("@disorder", '', 'seq never decreases');
is("@backward", '', 'progress never decreases');
is($by_job{$_}[-1]{progress} + 0, 1, "job $_ ends with progress 1") for @slow;
is( $node->safe_psql('postgres',
		"SELECT count(*) FROM asyncjob.job WHERE (id, seq, state::text) IN (VALUES "
		  . join(', ', map { "($_, $by_job{$_}[-1]{seq}, '$by_job{$_}[-1]{state}')" } @jobs) . ")"),
	scalar @jobs, 'the last notice of each job says what its row says');
ok((grep { $_->{state} eq 'queued' && $_->{job} == $again } @{ $by_job{$again} })
	  || (grep { $_->{state} eq 'running' } @{ $by_job{$again} }) >= 2,
	'that a job is tried again is told');

# Steps longer than notify_interval.
for my $id (@slow)
{
	for my $step (1 .. 3)
	{
		my @of_step = grep { $_->{state} eq 'running' && $_->{step} == $step } @{ $by_job{$id} };
		my @inside = grep { $_->{progress} > ($step - 1) / 3 + 0.01 && $_->{progress} < $step / 3 - 0.01 } @of_step;

		ok(scalar @of_step, "job $id: step $step is announced");
		cmp_ok(scalar @inside, '>=', 2, "job $id: and its progress is told");

		# 1 s and a little, at most one in 100 ms; the machine may be slow
		my $took = $node->safe_psql('postgres',
			"SELECT extract(epoch FROM finished_at - started_at) FROM asyncjob.steps($id) WHERE step_no = $step");
		cmp_ok(scalar @inside, '<=', $took / 0.1 + 1, "job $id: not more often than notify_interval");
	}
}
is(join(' ', sort { $a <=> $b } keys %{ { map { $_->{steps} => 1 } map { @{ $by_job{$_} } } @slow } }),
	'3', 'the number of steps is right');

# Steps beside each other: what is told is the job's progress, under the job's
# number; branches and items have none that a listener would know.
$node->safe_psql('postgres', <<'SQL');
SELECT asyncjob.create_pipeline('fork', '[
    {"name": "a", "handler": "public.slow", "after": []},
    {"name": "b", "handler": "public.slow", "after": []},
    {"name": "c", "handler": "public.slow", "for_each": "$.params.items[*]", "after": ["a", "b"]},
    {"name": "d", "handler": "public.quick", "after": ["c"]}]');
SQL
hear($all);
my $told = @{ $all->{notices} };
my $fork = aj_submit($node, 'fork', params => '{"items": [1, 2]}');
is(join(' ', hear_all($all, $fork)), '', 'a job with branches is told of to its end');
my @fork = @{ $all->{notices} }[ $told .. $#{ $all->{notices} } ];
my %known = map { $_ => 1 } split /\n/, $node->safe_psql('postgres', 'SELECT job_id FROM asyncjob.list_jobs(max_rows => 10000)');
is(scalar(grep { !$known{ $_->{job} } } @fork), 0, 'its branches are not');
@fork = grep { $_->{job} == $fork } @fork;
my @parts = map { $_->{progress} } @fork;
is("@parts", join(' ', sort { $a <=> $b } @parts), 'its progress never decreases');
cmp_ok(scalar(grep { $_->{state} eq 'waiting' && $_->{progress} > 0.05 && $_->{progress} < 0.45 } @fork),
	'>=', 2, 'it moves while two steps run beside each other');
cmp_ok(scalar(grep { $_->{state} eq 'waiting' && $_->{progress} > 0.55 && $_->{progress} < 0.7 } @fork),
	'>=', 1, 'and while one runs for each of two items');

# Many at once: while the coordinator stands still nothing can be sent.
is(aj_wait($node, aj_submit($node, 'noop', as => 'bob')), 'completed', 'a worker of bob lingers');
my ($coordinator) = aj_pids($node, 'coordinator');
hear($all);
my $before = @{ $all->{heard} };
kill 'STOP', $coordinator;
my @burst = split /\n/, $node->safe_psql('postgres',
	"SELECT asyncjob.submit_many('noop', array_agg('{}'::jsonb)) FROM generate_series(1, 200)",
	extra_params => [ '-U', 'bob' ]);
ok( aj_until($node, 'the burst to be done',
		"SELECT count(*) = 200 FROM asyncjob.job WHERE state = 'completed' AND id BETWEEN $burst[0] AND $burst[-1]"),
	'200 jobs run while the coordinator stands still');
kill 'CONT', $coordinator;
is(join(' ', hear_all($all, @burst)), '', 'the listener is told the end of each');
my @burst_heard = grep { $_->{data}{jobs} && @{ $_->{data}{jobs} } > 20 } @{ $all->{heard} }[ $before .. $#{ $all->{heard} } ];
cmp_ok(scalar @burst_heard, '>=', 2, 'in digests of the form {"jobs": [...]}, as many as there must be');

# Form.
my @long = grep { length $_->{payload} >= 8000 } @{ $all->{heard} };
is(scalar @long, 0, 'no payload has 8000 bytes or more');
is(join(' ', sort keys %{ { map { $_ => 1 } map { keys %$_ } @{ $all->{notices} } } }),
	'job progress seq state step steps', 'a notice has fields of the engine only');
is(scalar(grep { $_->{payload} =~ /secret/ } @{ $all->{heard} }), 0, 'no name, message, param or result');
is(scalar(grep { $_->{lost} } @{ $all->{notices} }), 0, 'nothing was lost');

# The channels of one job and one chat session.
hear_all($one, $slow[1]);
my $line = sub { join(' ', map { "$_->{job}/$_->{seq}/$_->{state}/$_->{progress}" } @_) };
is($line->(grep { $_->{job} != $slow[1] } @{ $one->{notices} }), '', 'a job\'s channel tells of that job only');
is($one->{notices}[-1]{state}, 'completed', 'including its end');
hear_all($session, @slow);
my %slow = map { $_ => 1 } @slow;
is( $line->(@{ $session->{notices} }),
	$line->(grep { $slow{ $_->{job} } } @{ $all->{notices} }),
	'a session\'s channel tells all of its jobs, and of no others');

# Rolled back, a submit is not spoken of.
my $count = @{ $all->{notices} };
my $never = $node->safe_psql('postgres', "BEGIN; SELECT asyncjob.submit('noop'); ROLLBACK");
hear_all($all);
is(scalar(grep { $_->{job} == $never } @{ $all->{notices} }), 0, 'a job that was rolled back is not spoken of');
cmp_ok(scalar @{ $all->{notices} }, '>', $count, 'but later ones are');

# Another extension begins with the same numbers: what was told of the old one's
# jobs is no reason not to speak of the new one's.
hear($all);
my $heard = @{ $all->{notices} };
$node->safe_psql('postgres', <<SQL);
BEGIN;
DROP EXTENSION asyncjob CASCADE;
CREATE EXTENSION asyncjob;
SELECT setval('asyncjob.job_id_seq', $slow[0], false);
COMMIT;
SQL
is(aj_submit($node, 'noop'), $slow[0], 'a job has the number of an old one');
my $give_up = time + $PostgreSQL::Test::Utils::timeout_default;
my @new;
do
{
	hear($all);
	@new = grep { $_->{job} == $slow[0] } @{ $all->{notices} }[ $heard .. $#{ $all->{notices} } ];
	select undef, undef, undef, 0.02;
} until time > $give_up || grep { final($_) } @new;
is(join(' ', map { $_->{state} } @new), 'running completed', 'and is told of to its end');

$_->{psql}->quit for $all, $one, $session;
aj_quiet_log($node);
$node->stop;
done_testing();

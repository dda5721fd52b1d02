# An error in what follows from an event: it costs nobody else the event, and
# one that may pass only puts it off.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use AsyncJobTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = aj_node('main');

$node->safe_psql('postgres', <<'SQL');
CREATE FUNCTION waits(p jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    RETURN asyncjob.wait_for_event('go', p ->> 'key');
END $$;
SELECT asyncjob.create_pipeline('waits', '[{"name": "a", "handler": "public.waits"}]');
SELECT asyncjob.create_pipeline(n, '[{"name": "a", "handler": "asyncjob.step_noop"}]') FROM unnest('{one,two}'::text[]) n;
-- errors of deliveries to jobs, and of jobs of a pipeline
CREATE TABLE broken (job bigint, pipeline text, code text);
CREATE FUNCTION break() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    c text;
BEGIN
    IF TG_ARGV[0] = 'memo' THEN
        SELECT code INTO c FROM public.broken WHERE job = (to_jsonb(NEW) ->> 'job_id')::bigint;
    ELSE
        SELECT b.code INTO c FROM public.broken b JOIN asyncjob.pipeline p ON p.name = b.pipeline
            WHERE p.id = (to_jsonb(NEW) ->> 'pipeline_id')::int;
    END IF;
    IF FOUND THEN
        RAISE EXCEPTION 'it is broken' USING ERRCODE = c;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER break BEFORE UPDATE ON asyncjob.job_memo FOR EACH ROW EXECUTE FUNCTION break('memo');
CREATE TRIGGER break BEFORE INSERT ON asyncjob.job FOR EACH ROW EXECUTE FUNCTION break('job');
SQL

sub waiting
{
	my ($key) = @_;
	my $id = aj_submit($node, 'waits', params => qq({"key": "$key"}));

	aj_until($node, "job $id to wait", "SELECT state = 'waiting' FROM asyncjob.status($id)");
	return $id;
}

# One that doesn't pass.
my ($bad, $good) = (waiting('k'), waiting('k'));
my $offset = -s $node->logfile;
$node->safe_psql('postgres', <<"SQL");
SELECT asyncjob.on_event('go', p) FROM unnest('{one,two}'::text[]) p;
INSERT INTO broken VALUES ($bad, NULL, 'P0001'), (NULL, 'one', 'P0001');
SELECT asyncjob.emit('go', '1', 'k');
SQL
is(aj_wait($node, $good), 'completed', 'another job has the event');
ok($node->wait_for_log(qr/asyncjob gave up an event for job $bad\b/, $offset), 'the job that cannot have it is told of');
is(aj_status($node, $bad, 'state'), 'waiting', 'and waits');
ok(aj_until($node, 'the other subscription', "SELECT last_job_id IS NOT NULL FROM asyncjob.event_subscriptions WHERE pipeline = 'two'"),
	'another subscription starts a job');
is($node->safe_psql('postgres', "SELECT last_job_id IS NULL, last_error FROM asyncjob.event_subscriptions WHERE pipeline = 'one'"),
	't|it is broken', 'the one that cannot says why');

# Ones that may pass.
$node->safe_psql('postgres', 'TRUNCATE broken');
for my $code ('53100', '57014', 'AJ010')
{
	my $id = waiting($code);

	$offset = -s $node->logfile;
	$node->safe_psql('postgres', <<"SQL");
INSERT INTO broken VALUES ($id, NULL, '$code'), (NULL, 'one', '$code');
SELECT asyncjob.emit('go', '1', '$code');
SQL
	ok($node->wait_for_log(qr/asyncjob puts off an event/, $offset), "$code: the event is put off");
	$node->safe_psql('postgres', 'TRUNCATE broken');
	is(aj_wait($node, $id), 'completed', "$code: the job gets it");
	ok(aj_until($node, 'a job of the subscription', "SELECT last_error IS NULL AND last_job_id > $id FROM asyncjob.event_subscriptions WHERE pipeline = 'one'"),
		"$code: so does the subscription");
}
is($node->safe_psql('postgres', <<'SQL'), "one|3\ntwo|4", 'each once for an event');
SELECT p.name, count(*) FROM asyncjob.job j JOIN asyncjob.pipeline p ON p.id = j.pipeline_id
WHERE p.name IN ('one', 'two') GROUP BY 1 ORDER BY 1
SQL

$node->stop;
done_testing();

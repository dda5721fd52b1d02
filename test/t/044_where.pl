# A job that cancels by filter: the server stops at once in the middle, and it goes
# on where it was; it can be cancelled itself, and what it did stays done.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use AsyncJobTest;
use Test::More;

my $node = aj_node('where');
$node->safe_psql('postgres', "SELECT asyncjob.create_queue('lane'); SELECT asyncjob.pause_queue('lane')");

# 1,100 jobs, the row of the 1,001st locked by somebody.
sub stop_in_the_middle
{
	my ($user) = @_;

	$node->safe_psql('postgres', <<SQL);
SELECT count(*) FROM asyncjob.submit_many('noop',
    ARRAY(SELECT '{}'::jsonb FROM generate_series(1, 1100)), queue => 'lane', user_id => '$user')
SQL
	my $lock = $node->background_psql('postgres');
	$lock->query_safe(<<SQL);
BEGIN;
SELECT FROM asyncjob.job WHERE id = (SELECT id FROM asyncjob.job WHERE user_id = '$user' ORDER BY id OFFSET 1000 LIMIT 1) FOR UPDATE;
SQL
	my $id = $node->safe_psql('postgres', qq{SELECT asyncjob.cancel_where('{"user_id": "$user"}')});
	ok(aj_until($node, 'four batches',
			"SELECT coalesce((SELECT (value ->> 'matched')::int FROM asyncjob.job_memo WHERE job_id = $id), 0) = 1000"),
		'four batches are committed');
	ok(aj_until($node, 'the progress', "SELECT round(progress::numeric, 2) = 0.91 FROM asyncjob.status($id)"), 'its progress is seen');
	is(aj_status($node, $id, 'state, message'), 'running|1000 of 1100 jobs', 'and how many are done');
	return ($id, $lock);
}

sub cancelled
{
	my ($user) = @_;

	return $node->safe_psql('postgres', "SELECT count(*) FROM asyncjob.job WHERE user_id = '$user' AND state = 'cancelled'");
}

my ($id, $lock) = stop_in_the_middle('ada');
$node->stop('immediate');
$node->start;
is(aj_wait($node, $id), 'completed', 'the job ends');
is( $node->safe_psql('postgres', "SELECT asyncjob.result($id)"),
	'{"matched": 1100, "reasons": {}, "skipped": 0, "cancelled": 1100}',
	'nothing was done or counted twice');
is(cancelled('ada'), 1100, 'all are cancelled');
eval { $lock->quit };

($id, $lock) = stop_in_the_middle('bob');
is($node->safe_psql('postgres', "SELECT asyncjob.cancel($id)"), 't', 'it can be cancelled');
is(aj_wait($node, $id), 'cancelled', 'at once');
is(cancelled('bob'), 1000, 'what it committed stays');
$lock->query_safe('ROLLBACK');
$lock->quit;
$node->safe_psql('postgres', "SELECT asyncjob.retry($id)");
is(aj_wait($node, $id), 'completed', 'and it can be retried');
is(cancelled('bob'), 1100, 'which does the rest');

done_testing();

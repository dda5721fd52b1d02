# Keys of encrypted queues by a command: when it is run, what becomes of one
# that fails, hangs or writes nonsense, and that nothing shows what it wrote.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use AsyncJobTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $dir = PostgreSQL::Test::Utils::tempdir();
my $script = "$dir/tell-keys";
my %secret = map { $_ => "Key-$_-" . join('', map { sprintf '%02x', rand 256 } 1 .. 32) } 1 .. 2;

# What the command does from now on.
sub set_script
{
	my ($text) = @_;

	open(my $f, '>', "$script.new") or die "open: $!";
	print $f "#!/bin/sh\necho >> $dir/runs\n$text\n";
	close $f;
	chmod 0700, "$script.new";
	rename "$script.new", $script or die "rename: $!";
	return;
}

sub keys_of
{
	return join "\n", map { "echo 'k$_ $secret{$_}'" } @_;
}

sub runs
{
	return -e "$dir/runs" ? -s "$dir/runs" : 0;
}

set_script(keys_of(1));
my $node = aj_node('key_command', conf => "asyncjob.encryption_key_command = '$script'\n");
aj_role($node, 'app');
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION pgcrypto;
SELECT asyncjob.create_queue('enc', encrypt => true);
SQL
my @app = (extra_params => [ '-U', 'app' ]);

my $id = aj_submit($node, 'noop', as => 'app', params => '{"n": 1}', args => "queue => 'enc'");
is(aj_wait($node, $id), 'completed', 'a job runs');
like($node->safe_psql('postgres', "SELECT params FROM asyncjob.job WHERE id = $id"), qr/\$encrypted": "k1:/, 'encrypted by the key that the command told');
is($node->safe_psql('postgres', "SELECT asyncjob.result($id)", @app), '{"n": 1}', 'and opens');
is($node->safe_psql('postgres', 'SELECT key_id, is_current, configured FROM asyncjob.encryption_keys()'), 'k1|t|t', 'the key is listed');

# A session runs it once, and again after a reload.
my $session = $node->background_psql('postgres');
my $key_of = "SELECT max(split_part(params ->> '\$encrypted', ':', 1)) FROM asyncjob.job WHERE id = (SELECT max(id) FROM asyncjob.job);";
$session->query_safe("SELECT asyncjob.submit('noop', '{}', queue => 'enc', run_at => now() + interval '1 h')");
my $runs = runs();
$session->query_safe("SELECT asyncjob.submit('noop', '{}', queue => 'enc', run_at => now() + interval '1 h') FROM generate_series(1, 100)");
is(runs(), $runs, 'a session runs the command once');
set_script(keys_of(1, 2));
$session->query_safe("SELECT asyncjob.submit('noop', '{}', queue => 'enc', run_at => now() + interval '1 h')");
is($session->query_safe($key_of), 'k1', 'and keeps its keys');
$node->reload;
my $key = '';
for (my $tries = 0; $key ne 'k2' && $tries < 1000; $tries++)
{
	$session->query_safe("SELECT asyncjob.submit('noop', '{}', queue => 'enc', run_at => now() + interval '1 h')");
	$key = $session->query_safe($key_of);
}
is($key, 'k2', 'until the configuration is reloaded');

# It runs it again for want of a key, though not at once; keys that it has stay.
set_script('exit 3');
$runs = runs();
$session->query_safe(<<"SQL");
BEGIN;
UPDATE asyncjob.job SET params = jsonb_build_object('\$encrypted', 'k9' || substr(params ->> '\$encrypted', 3))
    WHERE id = (SELECT max(id) FROM asyncjob.job);
DO \$\$
DECLARE
    last timestamptz := clock_timestamp() + interval '1 min';
BEGIN
    LOOP
        BEGIN
            PERFORM asyncjob.params(max(id)) FROM asyncjob.job;
        EXCEPTION WHEN SQLSTATE 'AJ010' THEN
            NULL;
        END;
        EXIT WHEN (pg_stat_file('$dir/runs')).size > $runs OR clock_timestamp() > last;
        PERFORM pg_sleep(0.1);
    END LOOP;
END
\$\$;
ROLLBACK
SQL
cmp_ok(runs(), '>', $runs, 'a session runs the command again for want of a key');
$session->query_safe("SELECT asyncjob.submit('noop', '{}', queue => 'enc', run_at => now() + interval '1 h')");
is($session->query_safe($key_of), 'k2', 'and keeps the others when it fails');
set_script(keys_of(1, 2));
$session->quit;
like($node->safe_psql('postgres', 'CALL asyncjob.reencrypt(); SELECT key_id, is_current, in_use > 0 FROM asyncjob.encryption_keys()'),
	qr/^\{"changed": \d+\}\nk1\|f\|f\nk2\|t\|t$/, 'all is encrypted anew');

# What goes wrong, each time in a session of its own.
sub fails
{
	my ($text, $why, $what) = @_;

	set_script($text);
	my ($rc, undef, $err) = $node->psql('postgres', "\\set VERBOSITY verbose\nSELECT asyncjob.submit('noop', '{}', queue => 'enc')");
	isnt($rc, 0, "$what: refused");
	like($err, qr/AJ010.*DETAIL:  $why/s, "$what: and said why");
	unlike($err, qr/Key-[12]-/, "$what: without a key");
	return;
}

fails('exit 3', qr/The key command failed with exit code 3; /, 'an exit code');
fails("rm $script.none", qr/The key command failed with exit code 1/, 'a command of it that fails');
fails(keys_of(1, 2) . "\nexit 1", qr/The key command failed with exit code 1/, 'keys, and an exit code');
fails('kill -9 $$', qr/The key command (failed with exit code 137|was terminated by signal 9)/, 'a signal');
fails(':', qr/The output of the key command has no keys\./, 'no output');
fails("echo k1 short", qr/Line 1 of the output of the key command has no key of 32 to 256 bytes after the id\./, 'no key');
fails('yes | head -c 100000', qr/The key command writes more than 65536 bytes\./, 'too much output');
# Whoever has inherited it may not have looked after its end.
sub runs_still
{
	my ($process) = @_;

	return 0 if -r "/proc/$process/stat" && slurp_file("/proc/$process/stat") =~ /\) Z /;
	return kill(0, $process);
}
my ($took) = aj_timed(sub {
	fails("echo \$\$ > $dir/pid; sleep 600", qr/The key command did not end within 5 s\./, 'no end');
});
cmp_ok($took, '<', 60, 'no end: it is not waited for');
chomp(my $pid = slurp_file("$dir/pid"));
ok(!runs_still($pid), 'no end: the command was killed');
unlink "$dir/pid";
fails("sleep 600 >/dev/null & echo \$! > $dir/pid; " . keys_of(1, 2) . "\nsleep 600", qr/The key command did not end within 5 s\./, 'no end after the keys');
chomp($pid = slurp_file("$dir/pid"));
ok(!runs_still($pid), 'no end after the keys: what it started was killed with it');

# A session that is cancelled doesn't wait, and asks again afterwards.
set_script("sleep 600");
$session = $node->background_psql('postgres', on_error_stop => 0);
$session->query_safe("SET statement_timeout = '200 ms'");
$session->query("SELECT asyncjob.submit('noop', '{}', queue => 'enc')");
like($session->{stderr}, qr/canceling statement due to statement timeout/, 'a session that is cancelled meanwhile');
$session->{stderr} = '';
set_script(keys_of(1, 2));
$session->query_safe('RESET statement_timeout');
like($session->query_safe("SELECT asyncjob.submit('noop', '{\"n\": 2}', queue => 'enc')"), qr/^\d+$/, 'runs the command again');
$session->quit;

# Jobs wait for their key and go on.
my $late = aj_submit($node, 'noop', as => 'app', params => '{"n": 3}', args => "queue => 'enc', run_at => now() + interval '1 h'");
set_script('exit 3');
$node->restart;
$node->safe_psql('postgres', "UPDATE asyncjob.job SET run_at = now() WHERE id = $late");
ok(aj_until($node, 'the job to be put aside', "SELECT waiting_for = 'key' FROM asyncjob.job WHERE id = $late"), 'a job waits for its key');
like($node->safe_psql('postgres', "SELECT asyncjob.explain($late)", @app), qr/The key command failed with exit code 3/, 'and says why');
like($node->safe_psql('postgres', "SELECT detail FROM asyncjob.check() WHERE item = 'encryption' AND NOT ok"), qr/exit code 3/, 'so does check()');
set_script(keys_of(2));
is(aj_wait($node, $late), 'completed', 'and goes on without a reload');

# Either a file or a command.
$node->append_conf('postgresql.conf', "asyncjob.encryption_key_file = '$dir/keys'\n");
$node->reload;
my ($rc, undef, $err);
for (my $tries = 0; $tries < 1000; $tries++)
{
	($rc, undef, $err) = $node->psql('postgres', "SELECT asyncjob.submit('noop', '{}', queue => 'enc')");
	last if $rc != 0;
}
like($err, qr/Both asyncjob\.encryption_key_file and asyncjob\.encryption_key_command are set\./, 'not both');

# Nothing shows the keys, and only superusers the command.
like(($node->psql('postgres', 'SHOW asyncjob.encryption_key_command', @app))[2], qr/permission denied|must be superuser/, 'others are not shown the command');
like(($node->psql('postgres', "SET asyncjob.encryption_key_command = 'x'"))[2], qr/cannot be changed now/, 'nor does a session choose it');
my $marks = join '|', values %secret;
unlike($node->safe_psql('postgres', 'SELECT s FROM pg_settings s; SELECT a FROM pg_stat_activity a; SELECT f FROM pg_file_settings f'),
	qr/$marks/, 'no view has a key');
unlike(slurp_file($node->logfile), qr/$marks/, 'nor has the log');
$node->stop;
done_testing();

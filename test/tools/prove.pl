#!/usr/bin/perl
#
# prove.pl: run the TAP tests named as arguments (files of test/t) and write
# "passed failed skipped" into the file of --counts.  Every assertion counts;
# a file that dies, bails out or runs fewer tests than planned counts as one
# more failure; a file that skips itself as one skipped test.
#
use strict;
use warnings;

use Getopt::Long;
use TAP::Harness;
use TAP::Parser::Aggregator;

my (@lib, $counts);
GetOptions('lib=s' => \@lib, 'counts=s' => \$counts) or exit 2;

my $harness = TAP::Harness->new(
	{
		verbosity => $ENV{VERBOSE} ? 1 : 0,
		timer => 1,
		lib => \@lib,
		failures => 1,
	});
my $total = TAP::Parser::Aggregator->new;
my ($passed, $failed, $skipped) = (0, 0, 0);

# One by one, so that a file that bails out does not end the others.
$total->start;
foreach my $file (map { "test/t/$_" } @ARGV)
{
	next if eval { $harness->aggregate_tests($total, $file); 1 };
	print STDERR $@;
	$failed++;
}
$total->stop;
$harness->summary($total);

foreach my $parser ($total->parsers)
{
	# a skipped assertion is reported as passed too
	my $skips = $parser->skipped;
	my $broken = $parser->parse_errors || $parser->exit || $parser->wait;

	$passed += $parser->passed - $skips;
	$failed += $parser->failed;
	$skipped += $skips + ($parser->skip_all ? 1 : 0);
	$failed++ if $broken && !$parser->failed;
}

open my $fh, '>', $counts or die "could not write $counts: $!\n";
print $fh "$passed $failed $skipped\n";
close $fh;

exit($failed ? 1 : 0);

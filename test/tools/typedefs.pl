#!/usr/bin/perl
#
# typedefs.pl: print the names of all types that the objects given as
# arguments mention in their debug information, sorted: the list by which
# pg_bsd_indent tells a declaration from a multiplication.  make typedefs
# writes it to test/tools/typedefs.list.
#
use strict;
use warnings;

die "usage: typedefs.pl OBJECT...\n" unless @ARGV;

my %names;
foreach my $object (@ARGV)
{
	my $in_typedef = 0;

	open my $fh, '-|', 'readelf', '--debug-dump=info', $object
	  or die "could not run readelf: $!\n";
	while (<$fh>)
	{
		if (/\(DW_TAG_(\w+)\)/)
		{
			$in_typedef = $1 eq 'typedef';
		}
		elsif ($in_typedef && /DW_AT_name\s*:\s*(?:\(.*\):\s*)?(\w+)\s*$/)
		{
			$names{$1} = 1;
			$in_typedef = 0;
		}
	}
	close $fh or die "readelf failed on $object\n";
}

# "bool" and the like are keywords enough; system internals stay out.
print "$_\n" foreach sort grep { !/^__/ } keys %names;

#!/usr/bin/perl
#
# indent.pl: format C files in PostgreSQL's style by pg_bsd_indent 2.1.1
# (Debian: pg-bsd-indent), the version that PostgreSQL 15 uses.
#
#	indent.pl FILE...			rewrite what differs
#	indent.pl --check FILE...	name what differs; exit code 1 if anything does
#
# pg_bsd_indent has habits that PostgreSQL's own sources do not show and that
# are therefore undone here: it gives a prototype's name a line of its own,
# moves the * of a function's type away, and rewraps block comments that begin
# with a row of dashes.
#
use strict;
use warnings;

use File::Basename;
use File::Temp;

my @options = qw(-bad -bap -bbb -bc -bl -cli1 -cp33 -cdb -nce -d0 -di12 -nfc1
  -i4 -l79 -lp -lpl -nip -npro -sac -tpg -ts4);

# "text" is a type of the server's; in a file without "text *" it can only be
# the name of a variable.
open my $list, '<', dirname(__FILE__) . '/typedefs.list'
  or die "could not read typedefs.list: $!\n";
my @names = <$list>;
close $list;
my $server_types = File::Temp->new;
my $plain_types = File::Temp->new;
print $server_types @names;
print $plain_types grep { $_ ne "text\n" } @names;
close $server_types;
close $plain_types;

my $check = @ARGV && $ARGV[0] eq '--check' ? shift @ARGV : 0;
my $differ = 0;

my $version = `pg_bsd_indent --version 2>/dev/null` // '';
if ($version !~ /\b2\.1\.1\b/)
{
	print STDERR "pg_bsd_indent 2.1.1 is needed (Debian: apt-get install pg-bsd-indent)\n";
	exit 2;
}

# A prototype as pg_bsd_indent leaves it: type on one line, then name(...);
sub join_prototypes
{
	my @lines = split /(?<=\n)/, $_[0];
	my @out;

	for (my $i = 0; $i < @lines; $i++)
	{
		my $end = $i + 1;

		# a type alone on a line, a name with a parenthesis on the next
		if ($i + 1 < @lines
			&& $lines[$i] =~ /^[A-Za-z_][\w \t]*[\w*]\s*$/
			&& $lines[$i] !~ /^(?:typedef|else|do|return|case|default)\b/
			&& $lines[ $i + 1 ] =~ /^\w+\(/)
		{
			# is it a declaration?  Then it ends with ");" before any "{"
			$end++ while $end < @lines && $lines[$end] !~ /[;{]/;
			if ($end < @lines && $lines[$end] =~ /\)[^;{]*;/ && $lines[$end] !~ /\{/)
			{
				my $type = $lines[$i] =~ s/\s+$//r;

				push @out, $type . ($type =~ /\*$/ ? '' : ' ') . $lines[ $i + 1 ];
				$i++;
				next;
			}
		}
		push @out, $lines[$i];
	}
	return join '', @out;
}

foreach my $file (@ARGV)
{
	my ($text, $result);

	open my $fh, '<', $file or die "could not read $file: $!\n";
	{ local $/; $text = <$fh>; }
	close $fh;

	my $work = $text;
	$work =~ s{/\*(-{3,})}{/*-X-$1}g;

	# what is for C++ must not count as a level of braces
	$work =~ s{^extern "C"\n\{\n}{/* open extern C */\n}m;
	$work =~ s{^\}\n(?=#endif\n\n#endif)}{/* close extern C */\n}m;

	my $types = $text =~ /\btext\s+\*\W*\w/ ? $server_types : $plain_types;
	my $temp = File::Temp->new(SUFFIX => '.c');
	print $temp $work;
	close $temp;
	$result = join '', do {
		open my $p, '-|', 'pg_bsd_indent', @options,
		  '-U' . $types->filename, $temp->filename, '-st'
		  or die "could not run pg_bsd_indent: $!\n";
		my @lines = <$p>;
		close $p;
		@lines;
	};
	if ($? != 0 || $result eq '')
	{
		print STDERR "$file: pg_bsd_indent failed\n";
		print STDERR "  line $2: $3\n"
		  while $result =~ m{^/\*\*INDENT\*\* (Error|Warning)@(\d+): (.*?) \*/}mg;
		$differ = 1;
		next;
	}

	$result =~ s{/\*-X-(-{3,})}{/*$1}g;
	$result =~ s{^/\* open extern C \*/\n}{extern "C"\n\{\n}m;
	$result =~ s{^/\* close extern C \*/\n}{\}\n}m;
	$result = join_prototypes($result);
	$result =~ s/^(\w[\w ]*?)[ \t]+(\*+)$/$1 $2/mg;
	$result =~ s/^(#endif)[ \t]+(?=\/\*)/$1\t\t\t\t\t\t\t/mg;
	$result =~ s/[ \t]+$//mg;
	$result =~ s/\n+\z/\n/;

	next if $result eq $text;
	$differ = 1;
	if ($check)
	{
		print "$file is not indented; run make indent\n";
	}
	else
	{
		open my $out, '>', $file or die "could not write $file: $!\n";
		print $out $result;
		close $out;
		print "indented $file\n";
	}
}

exit($check && $differ ? 1 : 0);

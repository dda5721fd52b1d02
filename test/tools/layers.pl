#!/usr/bin/perl
#
# layers.pl: check the rules of the architecture that a compiler does not
# (docs/architecture.md): who may include whom, which symbols leave a shared
# object, where SQL on the queue's tables stands, what an install script must
# not contain.  Prints TAP; run from the top of a built tree.
#
use strict;
use warnings;

my $number = 0;
my $failed = 0;
my $pg_config = $ENV{PG_CONFIG} || 'pg_config';

# One test: a name and the places that break the rule.
sub rule
{
	my ($name, @places) = @_;

	$number++;
	$failed++ if @places;
	print @places ? 'not ok' : 'ok', " $number - $name\n";
	print "#   $_\n" foreach @places;
}

sub skip
{
	my ($name, $why) = @_;

	$number++;
	print "ok $number - $name # SKIP $why\n";
}

sub slurp
{
	my ($file) = @_;

	open my $fh, '<', $file or die "could not read $file: $!\n";
	local $/;
	return scalar <$fh>;
}

# The text with comments blanked out, line numbers kept.
sub without_comments
{
	my ($text) = @_;

	$text =~ s{("(?:\\.|[^"\\\n])*")|(/\*.*?\*/)|//[^\n]*}
		{ my $c = $2; defined $1 ? $1 : defined $c ? $c =~ s/[^\n]//gr : '' }ges;
	return $text;
}

sub line_of
{
	my ($text, $offset) = @_;

	return 1 + (substr($text, 0, $offset) =~ tr/\n//);
}

# All includes of the files of a directory: [file, line, kind, name]
sub includes
{
	my (@files) = @_;
	my @found;

	foreach my $file (@files)
	{
		my $line = 0;

		foreach (split /\n/, slurp($file))
		{
			$line++;
			push @found, [ $file, $line, $1, $2 ]
			  if /^\s*#\s*include\s*([<"])([^>"]+)[>"]/;
		}
	}
	return @found;
}

sub command_lines
{
	my (@command) = @_;

	open my $fh, '-|', @command or die "could not run $command[0]: $!\n";
	my @lines = <$fh>;
	close $fh;
	chomp @lines;
	return @lines;
}

my ($server) = command_lines($pg_config, '--includedir-server');
my %sources;
foreach my $dir (qw(engine steps kernels client include))
{
	$sources{$dir} = [ sort glob("src/$dir/*.[ch]") ];
}

# Does an include name a header of the server?  Those of libpq that a client
# may use lie elsewhere.
sub server_header
{
	my ($name) = @_;

	return -e "$server/$name";
}

sub check_includes
{
	my ($dir, $may_server, @may) = @_;
	my @bad;

	foreach (includes(@{ $sources{$dir} }))
	{
		my ($file, $line, $kind, $name) = @$_;
		my $place = "$file:$line: $name";

		if ($kind eq '"')
		{
			next if grep { -e "src/$_/$name" } $dir, @may;
			next if $may_server && server_header($name);
			push @bad, $place;
		}
		elsif (!$may_server && server_header($name))
		{
			push @bad, $place;
		}
	}
	return @bad;
}

rule('kernels include only their own headers and the C library',
	check_includes('kernels', 0));
rule('steps include kernels, asyncjob.h and PostgreSQL',
	check_includes('steps', 1, 'kernels', 'include'));
rule('the client includes its own headers and libpq',
	check_includes('client', 0));
rule('the engine includes asyncjob.h and PostgreSQL',
	check_includes('engine', 1, 'include'));

# Every header must compile alone.
{
	my @bad;
	my $flags = '-I' . join(' -I', map { "src/$_" } qw(include));
	my ($libpq) = command_lines($pg_config, '--includedir');

	foreach my $dir (qw(include engine steps kernels client))
	{
		my $first = $dir =~ /^(include|engine|steps)$/ ? '#include "postgres.h"\n' : '';
		my $paths = "-Isrc/include -Isrc/$dir -I$libpq"
		  . ($dir eq 'steps' ? ' -Isrc/kernels' : '')
		  . ($first ? " -I$server" : '');

		foreach my $header (grep { /\.h$/ } @{ $sources{$dir} })
		{
			my $include = $header;
			my @out = command_lines('sh', '-c',
				"printf '$first#include \"$include\"\\n' | gcc -std=gnu11 -D_GNU_SOURCE -fsyntax-only -I. $paths -x c - 2>&1");
			my ($error) = grep { /error:/ } @out;
			push @bad, $error // "$header: @out" if $? != 0;
		}
	}
	rule('every header compiles on its own', @bad);
}

# A file begins by naming itself, so that a reader knows what it holds.
{
	my @bad;

	foreach my $file (map { @$_ } values %sources)
	{
		my ($name) = $file =~ m{([^/]+)$};
		my $head = substr(slurp($file), 0, 400);

		push @bad, $file
		  unless $head =~ m{\A/\*-+\n \*\n \* \Q$name\E\n \*\t\t\S};
	}
	rule('every source file has a header comment with its name', sort @bad);
}

# Symbols that leave the shared objects, and the SQL that binds them.
my %defined;
{
	my @objects = grep { -e } 'asyncjob.so', 'asyncjob_steps.so';
	my @bad;

	foreach my $object (@objects)
	{
		foreach (command_lines('nm', '-D', '--defined-only', $object))
		{
			my ($symbol) = /(\S+)$/;

			$defined{$object}{$symbol} = 1;
			push @bad, "$object: $symbol"
			  unless $symbol =~ /^(?:ajk?_|pg_finfo_ajk?_|_PG_(?:init|fini)$|Pg_magic_func$)/;
		}
	}
	if (@objects)
	{
		rule('exported symbols begin with aj_ or ajk_', @bad);
	}
	else
	{
		skip('exported symbols begin with aj_ or ajk_', 'nothing is built');
	}
}

# Both objects are loaded with their symbols open to each other, so that a
# name defined twice would be one object's for both.
{
	my @bad;

	foreach my $symbol (sort keys %{ $defined{'asyncjob_steps.so'} // {} })
	{
		push @bad, $symbol
		  if $defined{'asyncjob.so'}{$symbol} && $symbol !~ /^(?:_PG_init|Pg_magic_func)$/;
	}
	rule('no symbol is defined in both shared objects', @bad) if keys %defined > 1;
	skip('no symbol is defined in both shared objects', 'nothing is built')
	  if keys %defined < 2;
}

my @parts = sort glob('sql/[0-9][0-9]-*.sql');
my $install = join('', map { slurp($_) } @parts);
$install =~ s/--[^\n]*//g;

if (@parts && %defined)
{
	my (%bound, @bad);

	while ($install =~ /AS\s+'([^']+)'\s*,\s*'(\w+)'/g)
	{
		my ($library, $symbol) = ($1, $2);
		my $object = $library =~ /asyncjob_steps$/ ? 'asyncjob_steps.so' : 'asyncjob.so';

		$bound{$symbol} = 1;
		push @bad, "sql: $symbol is not in $object"
		  if !$defined{$object}{"pg_finfo_$symbol"};
	}
	# definitions of older versions may call what has no other use
	foreach (map { slurp($_) } glob('sql/updates/*/asyncjob--*.sql'))
	{
		$bound{$1} = 1 while /AS\s+'[^']+'\s*,\s*'(\w+)'/g;
	}
	foreach my $object (sort keys %defined)
	{
		foreach my $symbol (sort keys %{ $defined{$object} })
		{
			push @bad, "$object: $1 has no SQL function"
			  if $symbol =~ /^pg_finfo_(\w+)$/ && !$bound{$1};
		}
	}
	rule('C functions and SQL functions match', @bad);
}
else
{
	skip('C functions and SQL functions match', 'nothing is built');
}

# Statements on the queue's tables stand in one place.
{
	my @bad;

	foreach my $file (map { @{ $sources{$_} } } qw(engine steps client))
	{
		next if $file =~ m{^src/engine/queue\w*\.[ch]$};
		my $text = without_comments(slurp($file));

		while ($text =~ /\b(?:from|into|update|join|table)\s+(asyncjob\.(?:job|job_update|checkpoint|artifact|artifact_chunk))\b(?!\s*\()/gi)
		{
			push @bad, "$file:" . line_of($text, $-[0]) . ": $1";
		}
	}
	rule('SQL on the tables of the queue stands in src/engine/queue*', @bad);
}

# What exists under an object's name before CREATE EXTENSION must not be
# adopted: it would stay somebody else's.
{
	my @bad;

	push @bad, $1
	  while $install =~ /\b((?:CREATE\s+OR\s+REPLACE\s+\w+\s+\S+)|(?:\w+\s+IF\s+NOT\s+EXISTS\s+\S+))/gi;
	@bad = grep { !/^(?:IF|AND|OR|WHERE)\b/i && /REPLACE|^(?:TABLE|INDEX|SCHEMA|SEQUENCE|VIEW|TYPE|COLUMN|EXTENSION|ROLE)\b/i } @bad;
	rule('the install script adopts nothing that exists', @bad);
}

# Settings are defined in the order of their names, so that one is found.
{
	my @bad;

	foreach my $file (@{ $sources{engine} })
	{
		my $text = slurp($file);
		my $last = q();

		while ($text =~ /DefineCustom\w+Variable\(\s*"([^"]+)"/g)
		{
			push @bad, "$file: $1 after $last" if $1 lt $last;
			$last = $1;
		}
	}
	rule('settings are sorted by name', @bad);
}

# White space that only makes differences noisy.
{
	my @bad;

	foreach my $file ((map { @$_ } values %sources), glob('sql/*-*.sql sql/updates/*/*.sql'),
		glob('test/*/*.{sql,spec,pl,pm,sh,mk,c,h}'), 'Makefile')
	{
		next if $file =~ m{^sql/asyncjob--};
		my $text = slurp($file);

		push @bad, "$file:" . line_of($text, $-[0]) . ': trailing white space'
		  if $text =~ /[ \t]+$/m;
		push @bad, "$file: no newline at the end" if length $text && $text !~ /\n\z/;
	}
	rule('no trailing white space', sort @bad);
}

# Shell scripts pass shellcheck where it is installed.
if (grep { -x "$_/shellcheck" } split /:/, $ENV{PATH})
{
	my @scripts = grep { -f } glob('test/tools/*.sh test/bench/*.sh .ci/run');
	my @out = command_lines('shellcheck', '-x', '-f', 'gcc', '-S', 'warning', @scripts);

	rule('shell scripts pass shellcheck', @out);
}
else
{
	skip('shell scripts pass shellcheck', 'shellcheck is not installed');
}

print "1..$number\n";
exit($failed ? 1 : 0);

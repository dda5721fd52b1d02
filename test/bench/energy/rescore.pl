#!/usr/bin/perl
# rescore.pl: what a layout of IEA Wind Task 37's case study 1 is worth, by the
# description of the case study alone; shares no code with the optimiser.
#
#   rescore.pl LAYOUT       lines "x y" in metres; prints MWh a year, or
#                           exits with 1 and says which limit is broken
#   rescore.pl --self-test  checks itself by the published example of 9
#
# Limits, without any tolerance: no turbine further than the farm's radius
# from the middle, no two nearer than two rotor diameters.
use strict;
use warnings;

my $PI = 4 * atan2(1, 1);
my $D = 130;
my $CT = 8 / 9;			# 4 (1/3) (1 - 1/3)
my $KY = 0.0324555;
my $U = 9.8;
my @freq = (.025, .024, .029, .036, .063, .065, .100, .122,
	.063, .038, .039, .083, .213, .046, .032, .022);
my %radius = (9 => 900, 16 => 1300, 36 => 2000, 64 => 3000);

sub power_mw
{
	my $u = shift;
	return 0 if $u < 4 || $u > 25;
	return 3.35 if $u >= 9.8;
	return 3.35 * (($u - 4) / (9.8 - 4))**3;
}

sub aep_mwh
{
	my ($x, $y) = @_;
	my $aep = 0;
	for my $b (0 .. 15)
	{
		# wind from 22.5 b degrees, clockwise from north; x' along it, y' across
		my $theta = (270 - 22.5 * $b) * $PI / 180;
		my ($c, $s) = (cos($theta), sin($theta));
		my @xw = map { $x->[$_] * $c + $y->[$_] * $s } 0 .. $#$x;
		my @yw = map { -$x->[$_] * $s + $y->[$_] * $c } 0 .. $#$x;
		my $p = 0;
		for my $i (0 .. $#$x)
		{
			my $sum = 0;
			for my $j (0 .. $#$x)
			{
				my $dx = $xw[$i] - $xw[$j];
				next if $dx <= 0;
				my $sigma = $KY * $dx + $D / sqrt(8);
				my $loss = (1 - sqrt(1 - $CT / (8 * $sigma**2 / $D**2)))
				  * exp(-0.5 * (($yw[$i] - $yw[$j]) / $sigma)**2);
				$sum += $loss**2;
			}
			$p += power_mw($U * (1 - sqrt($sum)));
		}
		$aep += 8760 * $freq[$b] * $p;
	}
	return $aep;
}

sub check
{
	my ($x, $y) = @_;
	my $n = @$x;
	my $r = $radius{$n} or die "no case study of $n turbines\n";
	for my $i (0 .. $n - 1)
	{
		my $d = sqrt($x->[$i]**2 + $y->[$i]**2);
		die sprintf("turbine %d is %.17g m from the middle, allowed are %g\n", $i + 1, $d, $r)
		  unless $d <= $r;
		for my $j (0 .. $i - 1)
		{
			my $s = sqrt(($x->[$i] - $x->[$j])**2 + ($y->[$i] - $y->[$j])**2);
			die sprintf("turbines %d and %d are %.17g m apart, needed are %g\n",
				$j + 1, $i + 1, $s, 2 * $D)
			  unless $s >= 2 * $D;
		}
	}
	return;
}

if (@ARGV && $ARGV[0] eq '--self-test')
{
	my @x = (-500, -500, -500, 0, 0, 0, 500, 500, 500);
	my @y = (-500, 0, 500, -500, 0, 500, -500, 0, 500);
	my $aep = aep_mwh(\@x, \@y);
	die sprintf("example of 9 turbines: %.5f MWh, published are 178379.91881\n", $aep)
	  unless abs($aep - 178379.91881) < 1e-5;
	exit 0;
}
my (@x, @y);
while (<>)
{
	next if /^#/;
	my ($px, $py) = split;
	push @x, $px + 0;
	push @y, $py + 0;
}
check(\@x, \@y);
printf "%.5f\n", aep_mwh(\@x, \@y);

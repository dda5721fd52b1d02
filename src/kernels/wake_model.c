/*-------------------------------------------------------------------------
 *
 * wake_model.c
 *		The wake behind one wind turbine.
 *
 * A wake model gives the relative loss of speed, du/U, at a point x metres
 * downwind and y metres off the axis of a rotor of diameter D and thrust
 * coefficient Ct.  Nothing is felt upwind (x <= 0).
 *
 * iea37_sbg: s = k x + D / sqrt(8);
 *		du/U = 2 a(Ct D^2 / (8 s^2)) exp(-y^2 / (2 s^2)).
 *		IEA Wind Task 37, Combined case studies 1 and 2 (2018); k = 0.0324555.
 * bastankhah_2014: s = k x + 0.2 sqrt(b) D,
 *		b = (1 + sqrt(1 - Ct)) / (2 sqrt(1 - Ct)); du/U as above.
 *		Bastankhah and Porte-Agel, Renewable Energy 70 (2014) 116.
 * niayifar_2016: as bastankhah_2014, with k = 0.38 I + 0.004 of the turbulence
 *		intensity I at the turbine that makes the wake.  I^2 is the ambient I0^2
 *		plus the largest square of what the turbines upwind add,
 *		0.73 a^0.8325 I0^0.0325 (x/D)^-0.32 (Crespo and Hernandez, J. Wind Eng.
 *		Ind. Aerodyn. 61 (1996) 71) times the share of the rotor within their
 *		wakes, discs of radius 2 s.  Nearer than one diameter x/D counts as 1.
 *		Niayifar and Porte-Agel, Energies 9 (2016) 741, who superpose by the
 *		sum; here that is a choice of its own.
 * noj: du/U = 2 a(Ct) (D / (D + 2 k x))^2 times the share of the downwind rotor
 *		that lies within the wake, a disc of radius D/2 + k x.
 *		N. O. Jensen, Risoe-M-2411 (1983); Katic, Hoejstrup and Jensen, EWEC
 *		(1986).
 *
 * The induction a is that of one-dimensional momentum theory, a(Ct) =
 * (1 - sqrt(1 - Ct)) / 2, or on request Madsen's polynomial 0.2460 Ct +
 * 0.0586 Ct^2 + 0.0883 Ct^3 (Madsen et al., Wind Energ. Sci. 5 (2020) 1).
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "wake_model.h"

#include <string.h>

static const char *const model_name[AJK_WAKE_MODELS] = {
	"iea37_sbg", "bastankhah_2014", "noj", "niayifar_2016"
};

const char *
ajk_wake_name(AjkWakeModel model)
{
	return model_name[model];
}

bool
ajk_wake_by_name(const char *name, AjkWakeModel *model)
{
	for (int i = 0; i < AJK_WAKE_MODELS; i++)
	{
		if (strcmp(name, model_name[i]) == 0)
		{
			*model = (AjkWakeModel) i;
			return true;
		}
	}
	return false;
}

/* Onshore values of the models' own literature. */
double
ajk_wake_default_k(AjkWakeModel model)
{
	return model == AJK_WAKE_NOJ ? 0.075 : 0.0324555;
}

/* Expansion behind a turbine in the ambient turbulence */
static double
ambient_k(const AjkWake *wake)
{
	return wake->model == AJK_WAKE_NIAYIFAR_2016 ?
		AJK_K_TI * wake->ti + AJK_K_0 : wake->k;
}

bool
ajk_wake_gauss(const AjkWake *wake, double diameter_m, double ct, double *k,
			   double *sigma0)
{
	if (wake->model == AJK_WAKE_NOJ || wake->madsen)
		return false;
	*k = ambient_k(wake);
	*sigma0 = ajk_sigma0(wake, diameter_m, ct < AJK_CT_MAX ? ct : AJK_CT_MAX);
	return true;
}

/* Share of a disc of radius r that a disc of radius wr covers, y apart. */
double
ajk_disc_overlap(double wr, double r, double y)
{
	double		d = fabs(y);
	double		a,
				b,
				cut;

	if (d >= wr + r)
		return 0.0;
	if (d <= wr - r)
		return 1.0;
	if (d <= r - wr)
		return (wr * wr) / (r * r);
	a = acos(fmax(-1.0, fmin(1.0, (d * d + wr * wr - r * r) / (2.0 * d * wr))));
	b = acos(fmax(-1.0, fmin(1.0, (d * d + r * r - wr * wr) / (2.0 * d * r))));
	cut = (-d + wr + r) * (d + wr - r) * (d - wr + r) * (d + wr + r);
	return (wr * wr * a + r * r * b - 0.5 * sqrt(fmax(cut, 0.0))) /
		(AJK_PI * r * r);
}

/*
 * Turbulence intensity that a wake adds at x downwind, whole in the wake.
 */
double
ajk_wake_added_ti(double diameter_m, double ct, double ambient_ti, double x)
{
	double		a = 0.5 * (1.0 - sqrt(1.0 - (ct < AJK_CT_MAX ? ct : AJK_CT_MAX)));
	double		xd = x > diameter_m ? x / diameter_m : 1.0;

	if (!(a > 0.0) || !(ambient_ti > 0.0))
		return 0.0;
	return fmin(AJK_TI_ADDED_MAX, 0.73 * pow(a, 0.8325) *
				pow(ambient_ti, 0.0325) * pow(xd, -0.32));
}

/*
 * du/U of one wake, in ambient turbulence, at a rotor of a diameter of its
 * own.
 */
double
ajk_wake_deficit(const AjkWake *wake, double diameter_m, double ct,
				 double x, double y, double rotor_m)
{
	double		sigma;
	double		share;

	if (!(x > 0.0) || fabs(y) > ajk_reach(wake, diameter_m, x) +
		0.5 * fmax(rotor_m - diameter_m, 0.0))
		return 0.0;
	if (ct > AJK_CT_MAX)
		ct = AJK_CT_MAX;
	if (wake->model == AJK_WAKE_NOJ)
	{
		double		r = 0.5 * diameter_m;
		double		wr = r + wake->k * x;

		return 2.0 * ajk_induction(wake, ct) * (r / wr) * (r / wr) *
			ajk_disc_overlap(wr, 0.5 * rotor_m, y);
	}
	sigma = ambient_k(wake) * x + ajk_sigma0(wake, diameter_m, ct);
	share = ct * diameter_m * diameter_m / (8.0 * sigma * sigma);
	return 2.0 * ajk_induction(wake, share) *
		exp(-0.5 * (y / sigma) * (y / sigma));
}

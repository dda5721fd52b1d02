/*-------------------------------------------------------------------------
 *
 * wake_model.h
 *		What the wakes of single turbines are made of; for the kernels.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJK_WAKE_MODEL_H
#define AJK_WAKE_MODEL_H

#include "wake.h"

#include <math.h>

/*
 * A Gaussian is taken as nothing beyond so many standard deviations, where it
 * is below 2^-54, so that 1 - du is 1.  Less would do for energies, but where
 * a power curve begins above 0 at a speed of the climate, the least loss
 * there counts.
 */
#define AJK_GAUSS_REACH 8.7

/* niayifar_2016: k = AJK_K_TI I + AJK_K_0, with at most this much added to I */
#define AJK_K_TI 0.38
#define AJK_K_0 0.004
#define AJK_TI_ADDED_MAX 0.8

/* Induction factor; near the rotor a Gaussian's share can pass 1. */
static inline double
ajk_induction(const AjkWake *wake, double ct)
{
	if (ct > 1.0)
		ct = 1.0;
	if (wake->madsen)
		return ct * (0.2460 + ct * (0.0586 + ct * 0.0883));
	return 0.5 * (1.0 - sqrt(1.0 - ct));
}

/* Standard deviation of a Gaussian wake at x = 0. */
static inline double
ajk_sigma0(const AjkWake *wake, double d, double ct)
{
	double		root;

	if (wake->model == AJK_WAKE_IEA37_SBG)
		return d / sqrt(8.0);
	root = sqrt(1.0 - ct);
	return 0.2 * d * sqrt(0.5 * (1.0 + root) / root);
}

/* Loss of speed by one wake of a Gaussian whose sigma depends on Ct */
static inline double
ajk_gauss_loss(const AjkWake *wake, double d, double ct, double sigma, double y)
{
	double		t = y / sigma;

	if (fabs(t) > AJK_GAUSS_REACH)
		return 0.0;
	return 2.0 * exp(-0.5 * t * t) *
		ajk_induction(wake, ct * d * d / (8.0 * sigma * sigma));
}

/*
 * Beyond this |y| at x the wake is not felt by the centre or area of a rotor
 * of the same diameter; a larger one reaches half the difference farther.
 */
static inline double
ajk_reach(const AjkWake *wake, double diameter_m, double x)
{
	if (wake->model == AJK_WAKE_NOJ)
		return diameter_m + wake->k * x;
	if (wake->model == AJK_WAKE_IEA37_SBG)
		return AJK_GAUSS_REACH * (wake->k * x + 0.3536 * diameter_m);
	/* 0.2 sqrt(b) is at most this at AJK_CT_MAX */
	if (wake->model == AJK_WAKE_NIAYIFAR_2016)
		return AJK_GAUSS_REACH *
			((AJK_K_TI * hypot(wake->ti, AJK_TI_ADDED_MAX) + AJK_K_0) * x +
			 0.808 * diameter_m);
	return AJK_GAUSS_REACH * (wake->k * x + 0.808 * diameter_m);
}

extern double ajk_disc_overlap(double wr, double r, double y);

#endif							/* AJK_WAKE_MODEL_H */

/*-------------------------------------------------------------------------
 *
 * layout.h
 *		Places wind turbines for the most annual energy.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJK_LAYOUT_H
#define AJK_LAYOUT_H

#include "kernel.h"
#include "pack.h"
#include "wake.h"

#define AJK_LAYOUT_TRACE 64

typedef struct AjkLayoutProblem
{
	AjkArea		area;
	const AjkTurbine *turbine;	/* of each type */
	const AjkWind *wind;
	AjkWake		wake;
	double		true_north_deg;
	int			n;				/* turbines to place */
	int			nstarts;		/* layouts to start from, >= 1 */
	int64_t		max_evaluations;	/* places to try */
	uint64_t	seed;

	/*
	 * Optional.  margin: metres that a place (area.allowed_arg is its first
	 * argument) has to spare to the nearest limit, negative beyond it; lets
	 * the search put turbines on the boundary.  time_budget_s ends the search
	 * by seconds(), a clock, even if max_evaluations are not reached.
	 */
	double		(*margin) (void *arg, double x, double y);
	double		time_budget_s;
	double		(*seconds) (void);

	/*
	 * Several types: which one each turbine is of (NULL: all are turbine[0]),
	 * the distance that two types keep (spacing_m[a * ntypes + b], the same
	 * for b, a), the first argument of area.allowed and margin for each, and
	 * the speed factors of AjkFarm.  Where anything may stand for area
	 * itself, every type may: its spacing and setback are the largest.
	 * Turbines are placed in their order, so the largest had better be first.
	 */
	int			ntypes;
	const int  *type;			/* n */
	const double *spacing_m;
	void	  **place_arg;
	const double *speed_factor;
} AjkLayoutProblem;

/*
 * Where the search stands; kept up to date while it runs, so that a poll
 * callback may look at it.  Energies are estimates until the end, see
 * layout.c.
 */
typedef struct AjkLayoutState
{
	int			start;			/* 1-based; nstarts + 1 in the last phase */
	int64_t		evaluations;
	double		best_mwh;
	double		first_mwh;		/* of the first start */
} AjkLayoutState;

typedef struct AjkLayoutResult
{
	double	   *x;				/* the caller's, n */
	double	   *y;
	int			n_fit;			/* found to fit, if AJK_INFEASIBLE */
	double		start_mwh;		/* first start, exact */
	double		end_mwh;		/* result, exact */
	int64_t		evaluations;
	bool		converged;		/* the last fifth gained under 0.01 % */
	int			ntrace;			/* best estimate as it grew */
	int64_t		trace_evaluations[AJK_LAYOUT_TRACE];
	double		trace_mwh[AJK_LAYOUT_TRACE];
} AjkLayoutResult;

extern AjkError ajk_layout_optimize(const AjkLayoutProblem *problem,
									AjkLayoutResult *result,
									AjkLayoutState *state,
									ajk_poll poll, void *arg);

#endif							/* AJK_LAYOUT_H */

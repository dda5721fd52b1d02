/*-------------------------------------------------------------------------
 *
 * layout_search.h
 *		What the two halves of the layout optimiser share.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJK_LAYOUT_SEARCH_H
#define AJK_LAYOUT_SEARCH_H

#include "layout.h"
#include "rng.h"
#include "surrogate.h"

/* What the caller's test of a place counts for in work; boundaries are long. */
#define AJK_WORK_PER_PLACE 1000
#define AJK_WORK_PER_SWAP 10
#define AJK_WORK_PER_POLL 100000

typedef struct AjkSearch
{
	const AjkLayoutProblem *prob;
	AjkLayoutResult *result;
	AjkLayoutState *state;
	ajk_poll	poll;
	void	   *arg;

	AjkPacker  *packer;
	AjkSurrogate s;
	AjkRng		rng;
	int			ncells;
	const double *cx;
	const double *cy;
	double		extent_m;		/* half the width of the area */
	double		began_s;		/* problem->seconds() at the start */
	int64_t		proposals;		/* places looked at, free or not */
	int64_t		work;			/* since the last poll */
	bool		stopped;

	double		best_mwh;		/* of the current start */
	double	   *best_x;			/* n */
	double	   *best_y;
	double	   *top_x;			/* n: of all starts */
	double	   *top_y;
	double	   *first_x;		/* n: the first start as it was */
	double	   *first_y;
	double	   *pack_x;			/* ajk_packer_cap */
	double	   *pack_y;
} AjkSearch;

/* One annealing: from hot to cold, then down to nothing */
typedef struct AjkAnnealing
{
	double		until;			/* share of the whole budget at its end */
	double		hot_mwh;		/* temperatures */
	double		cold_mwh;
	double		far;			/* share of trials anywhere, at the start */
} AjkAnnealing;

/* Distance that turbine t keeps from turbine i */
static inline double
ajk_search_spacing(const AjkSearch *q, int t, int i)
{
	const AjkLayoutProblem *p = q->prob;

	return p->type ? p->spacing_m[p->type[t] * p->ntypes + p->type[i]] :
		p->area.spacing_m;
}

/* First argument of area.allowed and margin for turbine t */
static inline void *
ajk_search_place_arg(const AjkSearch *q, int t)
{
	const AjkLayoutProblem *p = q->prob;

	return p->type ? p->place_arg[p->type[t]] : p->area.allowed_arg;
}

static inline bool
ajk_search_allowed(const AjkSearch *q, int t, double x, double y)
{
	return q->prob->area.allowed(ajk_search_place_arg(q, t), x, y);
}

extern double ajk_search_done(AjkSearch *q);
extern bool ajk_search_stop(AjkSearch *q, int64_t work);
extern void ajk_search_set(AjkSearch *q, int n, const double *x,
						   const double *y);
extern bool ajk_search_free_place(AjkSearch *q, int t, double x, double y);
extern void ajk_search_random_place(AjkSearch *q, double *x, double *y);
extern double ajk_search_typical_change(AjkSearch *q);
extern void ajk_search_anneal(AjkSearch *q, const AjkAnnealing *a);

extern bool ajk_search_pull(AjkSearch *q, int t, double *x, double *y);

/* Room for more than fit on the candidates' places (layout_fit.c) */
extern int	ajk_search_fit(AjkSearch *q, int n, int want, double *x, double *y,
						   double *scratch);

/* Several types (layout_types.c) */
extern bool ajk_search_swap(AjkSearch *q, double temp);
extern AjkError ajk_search_pack_types(AjkSearch *q, double *x, double *y,
									  int *n);

#endif							/* AJK_LAYOUT_SEARCH_H */

/*-------------------------------------------------------------------------
 *
 * turbine_types.c
 *		Farms of several types of turbines.
 *
 * The parameter "turbines" is a list of {"turbine": name or definition,
 * "count" or "share"}; without it there is one type, the parameter "turbine".
 * Turbines of a layout name their types by the property turbine_type (or as
 * the third element of [x_m, y_m, type]): one of that list, else one that is
 * loaded.
 *
 * With a target capacity the number of turbines of each type follows from the
 * shares: whole turbines up to each type's share of the target, and then one
 * more at a time, of the type that is farthest below its share, until the
 * target is reached.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "wind_farm.h"

#include <math.h>

static AJ_NORETURN void
refuse_types(const char *what, const char *hint)
{
	aj_step_error(AJ_ERRCODE_VALIDATION, "turbines_invalid",
				  psprintf("parameter \"turbines\" is invalid: %s", what), NULL,
				  hint ? hint :
				  "Give a list such as [{\"turbine\": \"IEA_3.4MW_130\", \"count\": 10}, {\"turbine\": \"NREL_5MW_126\", \"count\": 5}].");
}

static int
find_type(const AjFarmInput *in, const char *name)
{
	for (int i = 0; i < in->ntypes; i++)
		if (strcmp(in->types[i]->name, name) == 0)
			return i;
	return -1;
}

static void
read_list(JsonbContainer *list, AjFarmInput *in)
{
	static const char *const keys[] = {"turbine", "count", "share", NULL};
	int			n = (int) JsonContainerSize(list);
	int			shares = 0;
	double		sum = 0;

	if (n < 1 || n > AJ_MAX_TURBINE_TYPES)
		refuse_types(psprintf("it has %d elements, allowed are 1 to %d", n,
							  AJ_MAX_TURBINE_TYPES), NULL);
	for (int i = 0; i < n; i++)
	{
		JsonbValue *v = getIthJsonbValueFromContainer(list, i);
		JsonbContainer *c;
		AjTurbine  *t;

		if (v->type != jbvBinary || !JsonContainerIsObject(v->val.binary.data))
			refuse_types(psprintf("element %d is not an object", i + 1), NULL);
		c = v->val.binary.data;
		aj_check_params(c, keys);
		t = aj_turbine_get(c, "turbine", NULL);
		if (find_type(in, t->name) >= 0)
			refuse_types(psprintf("\"%s\" occurs twice", t->name),
						 "Give each type once with the sum of its counts, and definitions written out a \"name\" each.");
		in->types[i] = t;
		in->count[i] = aj_param_int(c, "count", 0, 1, AJ_MAX_TURBINES);
		in->share[i] = aj_param_number(c, "share", NAN, 0, 1);
		if (in->share[i] == 0)
			refuse_types(psprintf("the share of \"%s\" is 0", t->name),
						 "Leave the type out, or give it a share above 0.");
		if (!isnan(in->share[i]))
		{
			shares++;
			sum += in->share[i];
		}
		in->ntypes++;
	}
	if (shares > 0 && (shares < n || fabs(sum - 1) > 1e-6))
		refuse_types(shares < n ? "some of its elements have a share and others have not" :
					 psprintf("its shares add up to %.6g", sum),
					 "Give each type its share of the capacity, all adding up to 1, or none a share for equal ones.");
}

void
aj_turbine_types(JsonbContainer *params, AjFarmInput *in)
{
	in->ntypes = 0;
	if (!aj_param_exists(params, "turbines"))
	{
		in->types[0] = aj_turbine_get(params, "turbine", AJ_DEFAULT_TURBINE);
		in->share[0] = NAN;
		in->ntypes = 1;
		return;
	}
	if (aj_param_exists(params, "turbine"))
		aj_step_error(AJ_ERRCODE_VALIDATION, "parameter_conflict",
					  "both \"turbine\" and \"turbines\" are given", NULL,
					  "Give \"turbine\" for a farm of one type or \"turbines\" for one of several.");
	read_list(aj_require_array(params, "turbines"), in);
}

/* Keep those types that a turbine is of, in their order. */
static void
drop_unused(AjPositions *pos, AjFarmInput *in)
{
	int			at[AJ_MAX_TURBINE_TYPES + 1];
	int			used[AJ_MAX_TURBINE_TYPES];
	int			n = 0;

	aj_positions_count(pos, used);
	for (int i = 0; i < in->ntypes; i++)
	{
		if (used[i] == 0)
			continue;
		in->types[n] = in->types[i];
		in->count[n] = in->count[i];
		in->share[n] = in->share[i];
		at[i] = n++;
	}
	in->ntypes = n;
	in->turbine = in->types[0];
	for (int i = 0; i < pos->n; i++)
		pos->type[i] = at[pos->type[i]];
	if (n == 1)
	{
		pfree(pos->type);
		pos->type = NULL;
	}
}

void
aj_turbine_assign(AjPositions *pos, AjFarmInput *in)
{
	bool		given = in->ntypes > 1;
	bool		told = false;

	pos->type = NULL;
	for (int i = 0; i < pos->n; i++)
		told |= pos->turbine[i] != NULL;
	if (!told && !given)
		return;
	pos->type = palloc0(sizeof(int) * pos->n);
	for (int i = 0; i < pos->n; i++)
	{
		int			t = 0;

		if (pos->turbine[i] == NULL && given)
			aj_step_error(AJ_ERRCODE_VALIDATION, "layout_invalid",
						  psprintf("turbine %d of \"layout\" does not say of which type it is", i + 1),
						  NULL,
						  "Give every feature the property \"turbine_type\", or every element the type's name after its coordinates.");
		if (pos->turbine[i])
			t = find_type(in, pos->turbine[i]);
		if (t < 0)
		{
			if (in->ntypes == AJ_MAX_TURBINE_TYPES)
				aj_step_error(AJ_ERRCODE_VALIDATION, "layout_invalid",
							  psprintf("\"layout\" has more than %d types of turbines",
									   AJ_MAX_TURBINE_TYPES), NULL,
							  "Give similar turbines the same type.");
			t = in->ntypes++;
			in->types[t] = aj_turbine_named(pos->turbine[i]);
			in->count[t] = 0;
			in->share[t] = NAN;
		}
		pos->type[i] = t;
	}
	drop_unused(pos, in);
}

void
aj_positions_count(const AjPositions *pos, int *count)
{
	memset(count, 0, sizeof(int) * AJ_MAX_TURBINE_TYPES);
	for (int i = 0; i < pos->n; i++)
		count[pos->type ? pos->type[i] : 0]++;
}

double
aj_turbine_capacity(const AjFarmInput *in, const int *count)
{
	double		kw = 0;

	for (int i = 0; i < in->ntypes; i++)
		kw += count[i] * in->types[i]->rated_kw;
	return kw;
}

char *
aj_turbine_text(const AjFarmInput *in, const int *count)
{
	StringInfoData b;

	if (in->ntypes == 1)
		return in->turbine->name;
	initStringInfo(&b);
	for (int i = 0; i < in->ntypes; i++)
	{
		if (count && count[i] == 0)
			continue;
		if (b.len > 0)
			appendStringInfoString(&b, count || i + 1 < in->ntypes ? ", " : " and ");
		if (count)
			appendStringInfo(&b, "%d ", count[i]);
		appendStringInfoString(&b, in->types[i]->name);
	}
	return b.data;
}

/* Whole turbines for a capacity, see above */
static void
counts_of_capacity(const AjFarmInput *in, double target, int *count)
{
	for (int i = 0; i < in->ntypes; i++)
	{
		double		share = isnan(in->share[i]) ? 1.0 / in->ntypes : in->share[i];

		count[i] = (int) floor(share * target / in->types[i]->rated_kw + 1e-9);
	}
	while (aj_turbine_capacity(in, count) < target * (1 - 1e-12))
	{
		int			most = 0;
		double		lack = -INFINITY;

		for (int i = 0; i < in->ntypes; i++)
		{
			double		share = isnan(in->share[i]) ? 1.0 / in->ntypes : in->share[i];
			double		l = share * target - count[i] * in->types[i]->rated_kw;

			if (l > lack)
			{
				lack = l;
				most = i;
			}
		}
		count[most]++;
	}
}

int
aj_turbine_counts(JsonbContainer *params, const AjFarmInput *in, int *count)
{
	bool		by_n = aj_param_exists(params, "n_turbines");
	bool		by_kw = aj_param_exists(params, "target_capacity_kw");
	bool		list = aj_param_exists(params, "turbines");
	int			counts = 0;
	int			shares = 0;
	double		least = INFINITY;
	double		kw;
	int			n = 0;

	for (int i = 0; i < in->ntypes; i++)
	{
		counts += in->count[i] > 0;
		shares += !isnan(in->share[i]);
		least = Min(least, in->types[i]->rated_kw);
	}
	memset(count, 0, sizeof(int) * AJ_MAX_TURBINE_TYPES);
	if (list)
	{
		if (by_n)
			aj_step_error(AJ_ERRCODE_VALIDATION, "parameter_conflict",
						  "both \"n_turbines\" and \"turbines\" are given", NULL,
						  "Give each element of \"turbines\" its \"count\"; their sum is the number of turbines.");
		if (by_kw && counts > 0)
			aj_step_error(AJ_ERRCODE_VALIDATION, "parameter_conflict",
						  "both \"target_capacity_kw\" and the counts of \"turbines\" are given", NULL,
						  "Give each type a \"count\", or \"target_capacity_kw\" and, if you like, each type's \"share\" of it.");
		if (!by_kw && counts < in->ntypes)
			aj_step_error(AJ_ERRCODE_VALIDATION, "parameter_missing",
						  "an element of \"turbines\" has no \"count\"", NULL,
						  "Give each type a \"count\", or \"target_capacity_kw\" and, if you like, each type's \"share\" of it.");
		if (!by_kw && shares > 0)
			aj_step_error(AJ_ERRCODE_VALIDATION, "parameter_conflict",
						  "both counts and shares are given in \"turbines\"", NULL,
						  "A \"share\" is one of \"target_capacity_kw\"; leave it out where each type has a \"count\".");
	}
	else if (by_n == by_kw)
		aj_step_error(AJ_ERRCODE_VALIDATION,
					  by_n ? "parameter_conflict" : "parameter_missing",
					  by_n ? "both \"n_turbines\" and \"target_capacity_kw\" are given" :
					  "parameter \"n_turbines\" is missing", NULL,
					  "Give either \"n_turbines\", the number of turbines, or \"target_capacity_kw\", the capacity to reach.");
	if (by_n)
		return count[0] = aj_require_int(params, "n_turbines", 1, AJ_MAX_TURBINES);
	if (!by_kw)
		memcpy(count, in->count, sizeof(int) * in->ntypes);
	else
	{
		kw = aj_require_number(params, "target_capacity_kw", 1,
							   AJ_MAX_TURBINES * least);
		if (!list)
			return count[0] = (int) ceil(kw / in->turbine->rated_kw - 1e-9);
		counts_of_capacity(in, kw, count);
	}
	for (int i = 0; i < in->ntypes; i++)
		n += count[i];
	if (n > AJ_MAX_TURBINES)
		refuse_types(psprintf("%d turbines in all, allowed are 1 to %d", n,
							  AJ_MAX_TURBINES), "Ask for fewer.");
	return n;
}

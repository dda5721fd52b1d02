/*-------------------------------------------------------------------------
 *
 * wind_input.c
 *		Wind resources: from jsonb to checked distributions.
 *
 * Two kinds.  "rose": a probability for each direction and speed.
 * "weibull": for each sector its frequency and the Weibull scale A and
 * shape k.  What is given must sum to one: a table that does not is more
 * often cut short than rounded, so it is scaled only when "normalize" asks
 * for that.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "inputs.h"

#include <math.h>

#include "utils/builtins.h"

#define SUM_TOLERANCE	1e-5
#define MAX_DIRECTIONS	720
#define MAX_SPEEDS		500

PG_FUNCTION_INFO_V1(aj_check_wind_resource);

static const char *const wind_keys[] = {
	"name", "kind", "direction_deg", "speed_m_s", "probability", "frequency",
	"weibull_a_m_s", "weibull_k", "turbulence_intensity", "height_m",
	"shear_alpha", "air_density_kg_m3", "source", "normalize", NULL
};

static const char *const kinds[] = {"rose", "weibull", NULL};

static AJ_NORETURN void
refuse(const AjWind *w, const char *what, const char *hint)
{
	aj_step_error(AJ_ERRCODE_VALIDATION, "wind_invalid",
				  psprintf("wind resource \"%s\" is invalid: %s", w->name,
						   what), NULL, hint);
}

/* Sum to one, or made to. */
static void
check_sum(const AjWind *w, const char *key, double *values, int n,
		  bool normalize)
{
	double		sum = 0;

	for (int i = 0; i < n; i++)
		sum += values[i];
	if (normalize && sum > 0)
		for (int i = 0; i < n; i++)
			values[i] /= sum;
	else if (fabs(sum - 1.0) > SUM_TOLERANCE)
		aj_step_error(AJ_ERRCODE_VALIDATION, "wind_probabilities_not_one",
					  psprintf("wind resource \"%s\" is invalid: %s sums to %.10g",
							   w->name, key, sum),
					  "The probabilities of all directions and speeds must sum to 1.",
					  fabs(sum - 100.0) < 1.0 ?
					  "Give fractions rather than per cent." :
					  "Correct them, or give \"normalize\": true to divide them by their sum.");
}

static void
parse_directions(AjWind *w, JsonbContainer *c)
{
	aj_require_array(c, "direction_deg");
	w->direction_deg = aj_param_numbers(c, "direction_deg", &w->ndir, 0, 360);
	if (w->ndir < 1 || w->ndir > MAX_DIRECTIONS)
		refuse(w, psprintf("direction_deg has %d values", w->ndir),
			   psprintf("Give 1 to %d directions.", MAX_DIRECTIONS));
	for (int i = 0; i < w->ndir; i++)
		if (w->direction_deg[i] >= 360 ||
			(i > 0 && w->direction_deg[i] <= w->direction_deg[i - 1]))
			refuse(w, psprintf("direction_deg does not ascend within 0..360 at %.10g",
							   w->direction_deg[i]),
				   "Sort the directions and give each once; 360 is 0.");
}

/* probability: one list per direction, or one list if there is one speed */
static void
parse_rose(AjWind *w, JsonbContainer *c, bool normalize)
{
	JsonbContainer *rows = aj_require_array(c, "probability");
	JsonbValue	v;
	JsonbValue *first;

	w->kind = AJ_WIND_ROSE;
	if (!aj_param_exists(c, "speed_m_s"))
		aj_require_array(c, "speed_m_s");
	getKeyJsonValueFromContainer(c, "speed_m_s", 9, &v);
	if (v.type == jbvNumeric)
	{
		w->nspeed = 1;
		w->speed_m_s = palloc(sizeof(double));
		w->speed_m_s[0] = aj_require_number(c, "speed_m_s", 0, 75);
	}
	else
		w->speed_m_s = aj_param_numbers(c, "speed_m_s", &w->nspeed, 0, 75);
	if (w->nspeed < 1 || w->nspeed > MAX_SPEEDS)
		refuse(w, psprintf("speed_m_s has %d values", w->nspeed),
			   psprintf("Give 1 to %d speeds.", MAX_SPEEDS));
	for (int i = 1; i < w->nspeed; i++)
		if (w->speed_m_s[i] <= w->speed_m_s[i - 1])
			refuse(w, psprintf("speed_m_s does not ascend at %.10g",
							   w->speed_m_s[i]),
				   "Sort the speeds and give each once.");

	w->frequency = palloc0(w->ndir * sizeof(double));
	first = JsonContainerSize(rows) > 0 ?
		getIthJsonbValueFromContainer(rows, 0) : NULL;
	if (w->nspeed == 1 && first && first->type == jbvNumeric)
	{
		int			n;

		w->probability = aj_param_numbers(c, "probability", &n, 0, 1e6);
		if (n != w->ndir)
			refuse(w, psprintf("probability has %d values for %d directions",
							   n, w->ndir),
				   "Give one probability per direction.");
	}
	else
	{
		if ((int) JsonContainerSize(rows) != w->ndir)
			refuse(w, psprintf("probability has %u rows for %d directions",
							   JsonContainerSize(rows), w->ndir),
				   "Give one row per direction, one value per speed in it.");
		w->probability = palloc(sizeof(double) * w->ndir * w->nspeed);
		for (int i = 0; i < w->ndir; i++)
		{
			JsonbValue *row = getIthJsonbValueFromContainer(rows, i);
			JsonbContainer *r = row->type == jbvBinary ?
			row->val.binary.data : NULL;

			if (r == NULL || !JsonContainerIsArray(r) ||
				(int) JsonContainerSize(r) != w->nspeed)
				refuse(w, psprintf("row %d of probability has not %d values",
								   i + 1, w->nspeed),
					   "Give one row per direction, one value per speed in it.");
			for (int j = 0; j < w->nspeed; j++)
			{
				JsonbValue *e = getIthJsonbValueFromContainer(r, j);
				double		p = e->type != jbvNumeric ? -1 :
				DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow,
												   NumericGetDatum(e->val.numeric)));

				if (!(p >= 0 && p <= 1e6))
					refuse(w, psprintf("row %d, value %d of probability is no probability",
									   i + 1, j + 1),
						   "Give numbers from 0 to 1.");
				w->probability[(size_t) i * w->nspeed + j] = p;
				pfree(e);
			}
			pfree(row);
		}
	}
	check_sum(w, "probability", w->probability, w->ndir * w->nspeed,
			  normalize);
	for (int i = 0; i < w->ndir; i++)
		for (int j = 0; j < w->nspeed; j++)
			w->frequency[i] += w->probability[(size_t) i * w->nspeed + j];
}

static void
parse_weibull(AjWind *w, JsonbContainer *c, bool normalize)
{
	int			nf,
				na,
				nk;

	w->kind = AJ_WIND_WEIBULL;
	aj_require_array(c, "frequency");
	aj_require_array(c, "weibull_a_m_s");
	aj_require_array(c, "weibull_k");
	w->frequency = aj_param_numbers(c, "frequency", &nf, 0, 1e6);
	w->weibull_a_m_s = aj_param_numbers(c, "weibull_a_m_s", &na, AJ_WEIBULL_LEAST_A,
										AJ_WEIBULL_MOST_A);
	w->weibull_k = aj_param_numbers(c, "weibull_k", &nk, AJ_WEIBULL_LEAST_K,
									AJ_WEIBULL_MOST_K);
	if (nf != w->ndir || na != w->ndir || nk != w->ndir)
		refuse(w, psprintf("direction_deg, frequency, weibull_a_m_s and weibull_k have %d, %d, %d and %d values",
						   w->ndir, nf, na, nk),
			   "Give one value of each per sector.");

	/* the sectors share the circle evenly, or their width is not known */
	for (int i = 0; i < w->ndir; i++)
		if (fabs(w->direction_deg[i] - w->direction_deg[0]
				 - i * 360.0 / w->ndir) > 1e-3)
			refuse(w, psprintf("sector %d is centred at %.10g degrees, expected %.10g",
							   i + 1, w->direction_deg[i],
							   w->direction_deg[0] + i * 360.0 / w->ndir),
				   "Give sectors of equal width all around the circle.");
	check_sum(w, "frequency", w->frequency, w->ndir, normalize);
}

AjWind *
aj_wind_parse(JsonbContainer *c, const char *name)
{
	AjWind	   *w = palloc0(sizeof(AjWind));
	bool		normalize;

	w->name = pstrdup(name);
	aj_check_params(c, wind_keys);
	normalize = aj_param_bool(c, "normalize", false);
	parse_directions(w, c);
	if (strcmp(aj_param_choice(c, "kind", aj_param_exists(c, "weibull_k") ?
							   "weibull" : "rose", kinds), "rose") == 0)
		parse_rose(w, c, normalize);
	else
		parse_weibull(w, c, normalize);
	w->turbulence_intensity = aj_param_number(c, "turbulence_intensity", 0.1,
											  0, 1);
	w->height_m = aj_param_number(c, "height_m", 0, 1, 500);
	w->shear_alpha = aj_param_number(c, "shear_alpha", NAN, -0.5, 1);
	w->air_density_kg_m3 = aj_param_number(c, "air_density_kg_m3", 1.225,
										   0.5, 1.6);
	w->source = aj_param_text(c, "source", NULL);
	return w;
}

static AjWind *
wind_named(const char *name)
{
	char	   *names;
	Jsonb	   *row = aj_input_row("wind_resource", "definition", name, &names);

	if (row == NULL)
		aj_step_error(AJ_ERRCODE_VALIDATION, "wind_resource_unknown",
					  psprintf("wind resource \"%s\" is not loaded", name),
					  names[0] ? psprintf("Loaded are: %s.", names) : NULL,
					  "Load it with asyncjob.load_wind_rose(name, rose) or asyncjob.load_weibull(name, sectors).");
	return aj_wind_parse(&row->root, name);
}

AjWind *
aj_wind_get(JsonbContainer *params, const char *key)
{
	JsonbValue	v;

	if (!aj_param_exists(params, key))
		aj_step_error(AJ_ERRCODE_VALIDATION, "wind_resource_missing",
					  psprintf("parameter \"%s\" is missing", key), NULL,
					  "Name a wind resource loaded with asyncjob.load_wind_rose() or asyncjob.load_weibull(), or give one as an object.");
	getKeyJsonValueFromContainer(params, key, strlen(key), &v);
	if (v.type == jbvString)
		return wind_named(pnstrdup(v.val.string.val, v.val.string.len));
	else
	{
		JsonbContainer *c = aj_require_object(params, key);

		return aj_wind_parse(c, aj_param_text(c, "name", "inline"));
	}
}

/*
 * check_wind_resource(definition jsonb) returns jsonb
 */
Datum
aj_check_wind_resource(PG_FUNCTION_ARGS)
{
	Jsonb	   *arg = PG_GETARG_JSONB_P(0);
	AjWind	   *w = aj_wind_parse(&arg->root,
								  aj_param_text(&arg->root, "name", "inline"));
	StringInfoData buf;
	double		mean = 0;

	for (int i = 0; i < w->ndir; i++)
	{
		if (w->kind == AJ_WIND_WEIBULL)
			mean += w->frequency[i] * w->weibull_a_m_s[i]
				* tgamma(1.0 + 1.0 / w->weibull_k[i]);
		else
			for (int j = 0; j < w->nspeed; j++)
				mean += w->probability[(size_t) i * w->nspeed + j]
					* w->speed_m_s[j];
	}
	initStringInfo(&buf);
	appendStringInfo(&buf, "{\"kind\":\"%s\",\"directions\":%d,\"mean_speed_m_s\":",
					 w->kind == AJ_WIND_ROSE ? "rose" : "weibull", w->ndir);
	aj_json_number(&buf, mean, 4);
	appendStringInfoString(&buf, ",\"height_m\":");
	aj_json_number(&buf, w->height_m > 0 ? w->height_m : NAN, 3);
	appendStringInfoChar(&buf, '}');
	PG_RETURN_JSONB_P(aj_jsonb_from_text(buf.data));
}

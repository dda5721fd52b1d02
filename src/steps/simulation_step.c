/*-------------------------------------------------------------------------
 *
 * simulation_step.c
 *		The simulation step: annual energy of a wind farm with its wakes.
 *
 * The layout is the parameter of that name, or else the output of an earlier
 * step "layout".  Three energies are told apart:
 *
 *		gross_aep_gwh	no wakes, no other losses
 *		wake_aep_gwh	with wakes, no other losses
 *		net_aep_gwh		wake_aep_gwh times (1 - availability loss)
 *						(1 - electrical loss) (1 - other loss)
 *
 * capacity_factor and the exceedance levels p75 and p90 are of the net
 * energy; p75 and p90 take its error to be normal with the relative standard
 * deviation uncertainty_pct.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "flow_map.h"
#include "report_svg.h"

#include <math.h>

PG_FUNCTION_INFO_V1(aj_step_simulation);
PG_FUNCTION_INFO_V1(aj_check_simulation);

/* Quantiles of the standard normal distribution */
#define Z75 0.6744897501960817
#define Z90 1.2815515655446004

/* Directions are reported in at most so many sectors. */
#define MAX_SECTORS 36

typedef struct Losses
{
	double		availability_pct;
	double		electrical_pct;
	double		other_pct;
	double		factor;			/* what is left */
	double		uncertainty_pct;
} Losses;

static Losses
loss_params(JsonbContainer *params)
{
	Losses		l;

	l.availability_pct = aj_param_number(params, "availability_loss_pct",
										 3, 0, 100);
	l.electrical_pct = aj_param_number(params, "electrical_loss_pct",
									   2, 0, 100);
	l.other_pct = aj_param_number(params, "other_loss_pct", 3, 0, 100);
	l.uncertainty_pct = aj_param_number(params, "uncertainty_pct", 10, 0, 50);
	l.factor = (1 - l.availability_pct / 100) * (1 - l.electrical_pct / 100) *
		(1 - l.other_pct / 100);
	return l;
}

void
aj_check_simulation_params(const AjStepInput *input, AjPositions *pos)
{
	AjFarmInput in;

	aj_farm_input(input, AJK_WAKE_BASTANKHAH_2014, true, pos, &in);
	(void) loss_params(input->params);
	(void) aj_flow_params(input->params);
}

/* The parameter "layout", an array or an object; NULL where absent. */
static JsonbContainer *
layout_param(JsonbContainer *params)
{
	JsonbValue	v;

	if (!aj_param_exists(params, "layout"))
		return NULL;
	getKeyJsonValueFromContainer(params, "layout", 6, &v);
	if (v.type == jbvBinary)
		return v.val.binary.data;
	return aj_param_object(params, "layout");	/* says what is wrong */
}

static JsonbContainer *
find_layout(const AjStepInput *input)
{
	JsonbContainer *layout = layout_param(input->params);

	if (layout == NULL && input->steps)
		layout = aj_step_output(input, "layout");
	if (layout == NULL)
		aj_step_error(AJ_ERRCODE_VALIDATION, "layout_missing",
					  "parameter \"layout\" is missing", NULL,
					  "Give the turbines' places as a GeoJSON FeatureCollection of points, such as the layout of a layout job's result, or as an array of [x_m, y_m].");
	return layout;
}

/*
 * check_simulation(params jsonb) returns void
 */
Datum
aj_check_simulation(PG_FUNCTION_ARGS)
{
	static const char *const known[] = {
		"layout", AJ_WIND_FARM_PARAMS, AJ_SIMULATION_PARAMS, NULL
	};
	AjStepInput in;

	aj_step_input(PG_GETARG_JSONB_P(0), &in);
	aj_check_params(in.params, known);
	aj_check_simulation_params(&in, aj_positions_parse(find_layout(&in)));
	PG_RETURN_VOID();
}

static void
put(StringInfo b, const char *key, double value, int decimals)
{
	appendStringInfo(b, ",\"%s\":", key);
	aj_json_number(b, value, decimals);
}

/* Energies and what they say of a number of turbines */
static void
put_energies(StringInfo b, const Losses *loss, double gross_mwh, double mwh,
			 double rated_kw)
{
	put(b, "gross_aep_gwh", gross_mwh / 1000, 9);
	put(b, "wake_aep_gwh", mwh / 1000, 9);
	put(b, "net_aep_gwh", mwh * loss->factor / 1000, 9);
	put(b, "wake_loss_pct", gross_mwh > 0 ? 100 * (1 - mwh / gross_mwh) : NAN, 6);
	put(b, "capacity_factor", mwh * loss->factor * 1000 /
		(rated_kw * AJK_HOURS_PER_YEAR), 6);
}

static void
put_turbines(StringInfo b, const AjPositions *pos, const AjFarmInput *in,
			 const Losses *loss, const AjkYield *yield)
{
	appendStringInfoString(b, ",\"turbines\":[");
	for (int i = 0; i < pos->n; i++)
	{
		const AjTurbine *type = in->types[pos->type ? pos->type[i] : 0];

		appendStringInfo(b, "%s{\"turbine_id\":%d", i ? "," : "", i + 1);
		if (pos->lon)
		{
			put(b, "longitude", pos->lon[i], 7);
			put(b, "latitude", pos->lat[i], 7);
		}
		else
		{
			put(b, "x_m", pos->x[i], 4);
			put(b, "y_m", pos->y[i], 4);
		}
		put_energies(b, loss, yield->turbine_gross_mwh[i],
					 yield->turbine_mwh[i], type->rated_kw);
		if (in->wake.model == AJK_WAKE_NIAYIFAR_2016)
			put(b, "turbulence_intensity", yield->turbine_ti[i], 6);
		if (in->ntypes > 1)
			aj_json_text_field(b, "turbine_type", type->name);
		appendStringInfoChar(b, '}');
	}
	appendStringInfoChar(b, ']');
}

/* The same for all turbines of each type */
static void
put_types(StringInfo b, const AjPositions *pos, const AjFarmInput *in,
		  const Losses *loss, const int *count, const AjkYield *yield)
{
	appendStringInfoString(b, ",\"types\":[");
	for (int t = 0; t < in->ntypes; t++)
	{
		const AjTurbine *type = in->types[t];
		double		gross = 0;
		double		mwh = 0;

		for (int i = 0; i < pos->n; i++)
			if (pos->type[i] == t)
			{
				gross += yield->turbine_gross_mwh[i];
				mwh += yield->turbine_mwh[i];
			}
		appendStringInfoString(b, t ? ",{\"turbine\":" : "{\"turbine\":");
		aj_json_string(b, type->name);
		put(b, "count", count[t], 0);
		put(b, "capacity_kw", count[t] * type->rated_kw, 3);
		put(b, "hub_height_m", type->hub_height_m, 3);
		put(b, "rotor_diameter_m", type->rotor_diameter_m, 3);
		put(b, "mean_speed_m_s", aj_farm_mean_speed(in) * in->speed_factor[t], 4);
		put_energies(b, loss, gross, mwh, count[t] * type->rated_kw);
		appendStringInfoChar(b, '}');
	}
	appendStringInfoChar(b, ']');
}

/* Directions merged to the resource's own sectors, or to ten degrees. */
static void
put_directions(StringInfo b, const AjFarmInput *in, const AjkWind *climate,
			   const double *gross, const double *mwh)
{
	int			nsec = in->wind->ndir;
	double		first = in->wind->direction_deg[0];
	bool		even = true;
	double	   *g;
	double	   *e;
	double	   *p;

	for (int i = 0; i < nsec; i++)
		if (fabs(in->wind->direction_deg[i] - first - i * 360.0 / nsec) > 1e-3)
			even = false;
	if (!even || nsec > MAX_SECTORS)
	{
		nsec = MAX_SECTORS;
		first = 0;
	}
	g = palloc0(sizeof(double) * nsec);
	e = palloc0(sizeof(double) * nsec);
	p = palloc0(sizeof(double) * nsec);
	for (int i = 0; i < climate->nwd; i++)
	{
		int			s = (int) ceil((climate->wd[i] - first) * nsec / 360.0 - 0.5 - 1e-9);

		s = ((s % nsec) + nsec) % nsec;
		g[s] += gross[i];
		e[s] += mwh[i];
		for (int j = 0; j < climate->nws; j++)
			p[s] += climate->prob[(Size) i * climate->nws + j];
	}
	appendStringInfoString(b, ",\"directions\":[");
	for (int s = 0; s < nsec; s++)
	{
		appendStringInfo(b, "%s{\"direction_deg\":", s ? "," : "");
		aj_json_number(b, first + s * 360.0 / nsec, 6);
		put(b, "frequency", p[s], 9);
		put(b, "gross_aep_gwh", g[s] / 1000, 9);
		put(b, "wake_aep_gwh", e[s] / 1000, 9);
		put(b, "wake_loss_pct", g[s] > 0 ? 100 * (1 - e[s] / g[s]) : NAN, 6);
		appendStringInfoChar(b, '}');
	}
	appendStringInfoChar(b, ']');
}

/*
 * step_simulation(input jsonb) returns jsonb
 */
Datum
aj_step_simulation(PG_FUNCTION_ARGS)
{
	AjStepInput input;
	AjFarmInput in;
	AjPositions *pos;
	AjkWind		climate;
	AjkFarm		farm;
	AjkYield	yield = {0};
	AjPoll		poll = {0, 0.8, "computing wakes"};
	AjFlowParams flow;
	AjFlowRaster *raster = NULL;
	Losses		loss;
	AjkError	err;
	double		net;
	double		capacity_kw;
	int			count[AJ_MAX_TURBINE_TYPES];
	char	  **assumptions;
	StringInfoData b;
	Jsonb	   *output;

	aj_step_input(PG_GETARG_JSONB_P(0), &input);
	pos = aj_positions_parse(find_layout(&input));
	aj_farm_input(&input, AJK_WAKE_BASTANKHAH_2014, false, pos, &in);
	aj_positions_count(pos, count);
	capacity_kw = aj_turbine_capacity(&in, count);
	loss = loss_params(input.params);
	flow = aj_flow_params(input.params);
	aj_farm_climate(&in, &climate);
	aj_check_memory(20.0 * pos->n * pos->n,
					psprintf("wakes of %d turbines", pos->n),
					"Raise asyncjob.max_step_memory.");

	farm = aj_farm(&in, pos);
	yield.turbine_mwh = palloc0(sizeof(double) * pos->n);
	yield.turbine_gross_mwh = palloc0(sizeof(double) * pos->n);
	yield.turbine_ti = palloc0(sizeof(double) * pos->n);
	yield.direction_mwh = palloc0(sizeof(double) * climate.nwd);
	yield.direction_gross_mwh = palloc0(sizeof(double) * climate.nwd);

	aj_progress(0, poll.message);
	aj_compute_begin();
	err = ajk_farm_yield(&farm, &climate, &yield, aj_poll, &poll);
	aj_compute_end();
	aj_kernel_failed(err, "wake simulation");

	net = yield.net_mwh * loss.factor;
	initStringInfo(&b);
	appendStringInfo(&b, "{\"turbine_count\":%d", pos->n);
	put(&b, "total_capacity_kw", capacity_kw, 3);
	put(&b, "gross_aep_gwh", yield.gross_mwh / 1000, 11);
	put(&b, "wake_aep_gwh", yield.net_mwh / 1000, 11);
	put(&b, "net_aep_gwh", net / 1000, 11);
	put(&b, "wake_loss_pct", yield.gross_mwh > 0 ?
		100 * (1 - yield.net_mwh / yield.gross_mwh) : NAN, 6);
	put(&b, "availability_loss_pct", loss.availability_pct, 6);
	put(&b, "electrical_loss_pct", loss.electrical_pct, 6);
	put(&b, "other_loss_pct", loss.other_pct, 6);
	put(&b, "capacity_factor", net * 1000 /
		(capacity_kw * AJK_HOURS_PER_YEAR), 6);
	put(&b, "uncertainty_pct", loss.uncertainty_pct, 6);
	put(&b, "net_aep_p50_gwh", net / 1000, 6);
	put(&b, "net_aep_p75_gwh", net / 1000 *
		(1 - Z75 * loss.uncertainty_pct / 100), 6);
	put(&b, "net_aep_p90_gwh", net / 1000 *
		(1 - Z90 * loss.uncertainty_pct / 100), 6);
	put(&b, "mean_speed_m_s", aj_farm_mean_speed(&in), 4);
	put(&b, "probability_covered", climate.mass, 9);
	appendStringInfoString(&b, ",\"turbine\":");
	aj_json_string(&b, aj_turbine_text(&in, count));
	appendStringInfoString(&b, ",\"wind\":");
	aj_json_string(&b, in.wind->name);
	appendStringInfo(&b, ",\"wake_model\":\"%s\",\"superposition\":\"%s\"",
					 ajk_wake_name(in.wake.model),
					 in.wake.super == AJK_SUPER_RSS ? "rss" :
					 in.wake.super == AJK_SUPER_LINEAR ? "linear" : "max");
	put(&b, "k", in.wake.model == AJK_WAKE_NIAYIFAR_2016 ? NAN : in.wake.k, 9);
	appendStringInfo(&b, ",\"induction\":\"%s\"",
					 in.wake.madsen ? "madsen" : "momentum");
	put(&b, "turbulence_intensity", in.wake.ti, 6);
	if (in.ntypes > 1)
		put_types(&b, pos, &in, &loss, count, &yield);
	put_turbines(&b, pos, &in, &loss, &yield);
	put_directions(&b, &in, &climate, yield.direction_gross_mwh,
				   yield.direction_mwh);
	assumptions = aj_farm_assumptions(&in);
	appendStringInfoString(&b, ",\"assumptions\":[");
	for (int i = 0; assumptions[i]; i++)
	{
		appendStringInfoString(&b, i ? "," : "");
		aj_json_string(&b, assumptions[i]);
	}
	appendStringInfoString(&b, "]");

	if (flow.resolution_m > 0)
	{
		raster = aj_flow_compute(&flow, &farm, pos, &climate, 0.8, 0.97);
		aj_flow_map(raster, pos, &b);
	}

	/* the artifact is the output without the list of artifacts */
	appendStringInfoChar(&b, '}');
	aj_artifact("energy_yield", "wind_farm_wake_analysis", "application/json",
				b.data, b.len);
	b.data[b.len - 1] = ',';
	appendStringInfoString(&b, "\"artifacts\":[\"energy_yield\",\"simulation_report.html\"]}");
	aj_progress(1.0, "wakes computed");
	output = aj_jsonb_from_text(b.data);
	aj_simulation_report(input.params, &in, pos, raster, output);
	PG_RETURN_JSONB_P(output);
}

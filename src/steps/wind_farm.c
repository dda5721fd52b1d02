/*-------------------------------------------------------------------------
 *
 * wind_farm.c
 *		What the wind steps share: turbine, wind and wakes for the kernels.
 *
 * Wind resources are valid at one height.  Where that is known and differs
 * from the hub's, and a shear exponent is known (of the resource, or the
 * parameter shear_alpha), speeds are scaled by the power law
 * (hub / height)^alpha; otherwise they are used as they are, and the
 * assumptions say so.  No exponent is made up.
 *
 * Where turbines of several types have hubs at different heights, the climate
 * is that at the first type's, and each type has a factor on its speeds.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "wind_farm.h"

#include <math.h>

#include "../kernels/geodesy.h"
#include "utils/builtins.h"
#include "utils/numeric.h"

void
aj_kernel_failed(AjkError err, const char *what)
{
	if (err == AJK_OK)
		return;
	if (err == AJK_STOPPED)
		aj_poll_finish();
	if (err == AJK_NOMEM)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory"),
				 errdetail("Failed during %s.", what)));
	elog(ERROR, "%s failed with kernel error %d", what, (int) err);
}

static void
kernel_turbine(const AjTurbine *t, AjkTurbine *kt)
{
	int			point;
	const char *what;

	kt->diameter_m = t->rotor_diameter_m;
	kt->hub_height_m = t->hub_height_m;
	kt->rated_kw = t->rated_kw;
	kt->curve = t->kind == AJ_TURBINE_IEA37 ? AJK_CURVE_IEA37 : AJK_CURVE_TABLE;
	kt->npoints = t->n;
	kt->ws = t->speed_m_s;
	kt->power_kw = t->power_kw;
	kt->ct = t->ct;
	kt->cut_in_ms = t->cut_in_m_s;
	kt->rated_ms = t->rated_m_s;
	kt->cut_out_ms = t->cut_out_m_s;
	kt->ct_const = t->ct_const;
	if (ajk_turbine_check(kt, &point, &what) != AJK_OK)
		aj_step_error(AJ_ERRCODE_VALIDATION, "unit_or_range",
					  psprintf("turbine \"%s\" is invalid: %s", t->name, what),
					  point >= 0 ? psprintf("Row %d of its table.", point + 1) : NULL,
					  "Load it again with asyncjob.load_turbine().");
}

/* The parameter "wind", or what the step wind_resource has made; see .h */
static AjWind *
farm_wind(const AjStepInput *input, bool at_submit)
{
	JsonbContainer *made;

	if (!aj_param_exists(input->params, "wind"))
	{
		made = aj_step_output(input, "wind_resource");
		if (made)
			made = aj_param_object(made, "definition");
		if (made)
			return aj_wind_parse(made, aj_param_text(made, "name", "series"));
		if (at_submit && aj_param_exists(input->params, "series"))
			return NULL;
	}
	return aj_wind_get(input->params, "wind");
}

/* Speed at a turbine's hub, or over its rotor, over the resource's own */
static double
height_factor(const AjFarmInput *in, const AjTurbine *t, const char *rotor,
			  double *over_rotor)
{
	double		shear = 1.0;

	if (in->wind->height_m > 0 && !isnan(in->shear_alpha))
		shear = pow(t->hub_height_m / in->wind->height_m, in->shear_alpha);
	*over_rotor = 1.0;
	if (strcmp(rotor, "none") != 0)
		*over_rotor = (strcmp(rotor, "rews") == 0 ?
					   ajk_rotor_equivalent : ajk_rotor_points)
			(t->hub_height_m, t->rotor_diameter_m, in->shear_alpha);
	return shear;
}

void
aj_farm_input(const AjStepInput *input, AjkWakeModel model, bool at_submit,
			  AjPositions *pos, AjFarmInput *in)
{
	JsonbContainer *params = input->params;

	static const char *const models[] = {
		"iea37_sbg", "bastankhah_2014", "noj", "niayifar_2016", NULL
	};
	static const char *const averages[] = {"none", "rews", "points", NULL};
	static const char *const inductions[] = {"momentum", "madsen", NULL};
	static const char *const supers[] = {"rss", "linear", "max", NULL};
	const char *super;
	const char *rotor;

	memset(in, 0, sizeof(*in));
	aj_turbine_types(params, in);
	if (pos)
		aj_turbine_assign(pos, in);
	in->turbine = in->types[0];
	in->ktypes = palloc0(sizeof(AjkTurbine) * in->ntypes);
	for (int i = 0; i < in->ntypes; i++)
		kernel_turbine(in->types[i], &in->ktypes[i]);

	in->wind = farm_wind(input, at_submit);
	ajk_wake_by_name(aj_param_choice(params, "wake_model",
									 ajk_wake_name(model), models),
					 &in->wake.model);
	in->wake.k = aj_param_number(params, "k",
								 ajk_wake_default_k(in->wake.model),
								 0.001, 0.5);
	if (in->wake.model == AJK_WAKE_NIAYIFAR_2016 && aj_param_exists(params, "k"))
		aj_step_error(AJ_ERRCODE_VALIDATION, "parameter_conflict",
					  "wake model niayifar_2016 takes no parameter \"k\"",
					  "It computes the expansion of every wake from the turbulence intensity at its turbine.",
					  "Give turbulence_intensity instead, or another wake_model.");
	in->wake.madsen = strcmp(aj_param_choice(params, "induction", "momentum",
											 inductions), "madsen") == 0;
	in->wake.ti = aj_param_number(params, "turbulence_intensity",
								  in->wind ? in->wind->turbulence_intensity :
								  0.1, 0.01, 0.5);
	super = aj_param_choice(params, "superposition", "rss", supers);
	in->wake.super = strcmp(super, "rss") == 0 ? AJK_SUPER_RSS :
		strcmp(super, "linear") == 0 ? AJK_SUPER_LINEAR : AJK_SUPER_MAX;

	in->shear_factor = in->rotor_factor = 1.0;
	for (int i = 0; i < in->ntypes; i++)
		in->speed_factor[i] = 1.0;
	rotor = aj_param_choice(params, "rotor_average", "none", averages);
	if (in->wind == NULL)
		return;
	in->wd_step_deg = aj_param_number(params, "wd_step_deg",
									  in->wind->ndir > 0 &&
									  360 % in->wind->ndir == 0 ? 1.0 :
									  360.0 / in->wind->ndir / 10.0,
									  0.1, 360.0);
	if (in->wind->kind == AJ_WIND_WEIBULL &&
		!ajk_wind_step_fits(in->wd_step_deg, in->wind->ndir))
		aj_step_error(AJ_ERRCODE_VALIDATION, "unit_or_range",
					  psprintf("parameter \"wd_step_deg\" is out of range: %.10g",
							   in->wd_step_deg),
					  psprintf("The wind resource \"%s\" has %d sectors; every one must get the same whole number of directions.",
							   in->wind->name, in->wind->ndir),
					  psprintf("Give %.10g divided by a whole number, such as 1.",
							   360.0 / in->wind->ndir));

	in->shear_alpha = aj_param_number(params, "shear_alpha",
									  in->wind->shear_alpha, -0.5, 1.0);
	if (strcmp(rotor, "none") != 0 && isnan(in->shear_alpha))
		aj_step_error(AJ_ERRCODE_VALIDATION, "shear_unknown",
					  "parameter \"rotor_average\" needs a shear exponent", NULL,
					  "Give shear_alpha, or load the wind resource with it.");
	in->shear_factor = height_factor(in, in->turbine, rotor, &in->rotor_factor);
	for (int i = 1; i < in->ntypes; i++)
	{
		double		over;
		double		shear = height_factor(in, in->types[i], rotor, &over);

		in->speed_factor[i] = shear * over /
			(in->shear_factor * in->rotor_factor);
	}
}

AjkFarm
aj_farm(const AjFarmInput *in, const AjPositions *pos)
{
	AjkFarm		farm = {pos->n, pos->x, pos->y, in->ktypes, in->wake,
		pos->true_north_deg, in->ntypes, pos->type,
	in->speed_factor};

	return farm;
}

/* Take over what a kernel malloc'd, so that an error cannot leak it. */
static void
adopt(AjkWind *w)
{
	Size		cells = (Size) w->nwd * w->nws;
	AjkWind		own = *w;

	own.wd = memcpy(palloc(sizeof(double) * w->nwd), w->wd,
					sizeof(double) * w->nwd);
	own.ws = memcpy(palloc(sizeof(double) * w->nws), w->ws,
					sizeof(double) * w->nws);
	own.prob = memcpy(palloc_extended(sizeof(double) * cells, MCXT_ALLOC_HUGE),
					  w->prob, sizeof(double) * cells);
	ajk_wind_free(w);
	*w = own;
}

void
aj_farm_climate(const AjFarmInput *in, AjkWind *climate)
{
	const AjWind *w = in->wind;
	AjkError	err;

	if (w->kind == AJ_WIND_WEIBULL)
	{
		double	   *a = palloc(sizeof(double) * w->ndir);
		double		lo = INFINITY;
		double		hi = 0;
		AjkWeibull	kw = {w->ndir, w->frequency, a, w->weibull_k,
		w->direction_deg[0]};

		/* bins of 1 m/s over the speeds of the power curves */
		for (int i = 0; i < in->ntypes; i++)
		{
			const AjkTurbine *t = &in->ktypes[i];
			bool		table = t->curve == AJK_CURVE_TABLE;

			lo = fmin(lo, (table ? t->ws[0] : t->cut_in_ms) /
					  in->speed_factor[i]);
			hi = fmax(hi, (table ? t->ws[t->npoints - 1] : t->cut_out_ms) /
					  in->speed_factor[i]);
		}
		for (int i = 0; i < w->ndir; i++)
			a[i] = w->weibull_a_m_s[i] * in->shear_factor *
				in->rotor_factor;
		err = ajk_wind_from_weibull(climate, &kw, in->wd_step_deg,
									floor(lo), ceil(hi), 1.0);
	}
	else
	{
		double	   *ws = palloc(sizeof(double) * w->nspeed);

		for (int i = 0; i < w->nspeed; i++)
			ws[i] = w->speed_m_s[i] * in->shear_factor * in->rotor_factor;
		err = ajk_wind_from_rose(climate, w->ndir, w->direction_deg,
								 w->nspeed, ws, w->probability);
	}
	aj_kernel_failed(err, "wind climate");
	adopt(climate);
}

/* Mean wind speed at hub height, over all hours of the year. */
double
aj_farm_mean_speed(const AjFarmInput *in)
{
	const AjWind *w = in->wind;
	double		mean = 0;

	for (int i = 0; i < w->ndir; i++)
	{
		if (w->kind == AJ_WIND_WEIBULL)
			mean += w->frequency[i] *
				ajk_weibull_mean(w->weibull_a_m_s[i], w->weibull_k[i]);
		else
			for (int j = 0; j < w->nspeed; j++)
				mean += w->probability[(Size) i * w->nspeed + j] *
					w->speed_m_s[j];
	}
	return mean * in->shear_factor;
}

char **
aj_farm_assumptions(const AjFarmInput *in)
{
	const AjWind *w = in->wind;
	char	  **list = palloc0(sizeof(char *) * 9);
	int			n = 0;
	bool		other_hubs = false;

	for (int i = 1; i < in->ntypes; i++)
		other_hubs |= in->types[i]->hub_height_m != in->turbine->hub_height_m;

	if (in->shear_factor != 1.0)
		list[n++] = psprintf("Wind speeds of \"%s\" are valid at %.6g m and were scaled to hub height %.6g m by the power law with exponent %.4g (factor %.4f).",
							 w->name, w->height_m, in->turbine->hub_height_m,
							 in->shear_alpha, in->shear_factor);
	else if (w->height_m > 0 && w->height_m != in->turbine->hub_height_m)
		list[n++] = psprintf("Wind speeds of \"%s\" are valid at %.6g m; no shear exponent is known, so they are used unchanged at hub height %.6g m.",
							 w->name, w->height_m,
							 in->turbine->hub_height_m);
	else if (w->height_m <= 0)
		list[n++] = psprintf("Wind resource \"%s\" does not tell its height; its speeds are taken to be valid at hub height %.6g m.",
							 w->name, in->turbine->hub_height_m);
	if (in->rotor_factor != 1.0)
		list[n++] = psprintf("Turbines see the mean wind of the rotor's disc for a power law with exponent %.4g (factor %.4f on the speed at hub height).",
							 in->shear_alpha, in->rotor_factor);
	if (w->kind == AJ_WIND_ROSE && w->ndir < 72)
		list[n++] = psprintf("Wakes are computed for the %d directions of the wind rose \"%s\" alone, not for those in between.",
							 w->ndir, w->name);
	list[n++] = pstrdup("The wind is the same over the whole site: neither speed-up by terrain nor differences of elevation between turbines are modelled.");
	if (other_hubs)
		list[n++] = psprintf("Hubs are at different heights: wakes are felt off their axis by the difference%s; the mean speed and the flow map are those at %.6g m.",
							 w->height_m > 0 && !isnan(in->shear_alpha) ?
							 ", and each turbine has the wind of its own hub's height" :
							 ", but as no shear exponent or height of the wind is known, all are in the same wind",
							 in->turbine->hub_height_m);
	list[n++] = psprintf(in->ntypes > 1 ?
						 "The power and thrust curves of %s are used as loaded, without a correction for air density." :
						 "The power and thrust curve of %s is used as loaded, without a correction for air density.",
						 aj_turbine_text(in, NULL));
	list[n++] = psprintf("A year has 8760 hours; wake model %s with %s = %.7g, superposition by %s.",
						 ajk_wake_name(in->wake.model),
						 in->wake.model == AJK_WAKE_NIAYIFAR_2016 ?
						 "ambient turbulence intensity" : "k",
						 in->wake.model == AJK_WAKE_NIAYIFAR_2016 ?
						 in->wake.ti : in->wake.k,
						 in->wake.super == AJK_SUPER_RSS ? "root of the sum of squares" :
						 in->wake.super == AJK_SUPER_LINEAR ? "sum" : "maximum");
	return list;
}

double
aj_true_north(int zone, bool south, double lon, double lat)
{
	AjkTm		tm = ajk_tm_utm(zone, south);
	double		x0,
				y0,
				x1,
				y1;

	ajk_tm_forward(&tm, lon, lat - 1e-4, &x0, &y0);
	ajk_tm_forward(&tm, lon, lat + 1e-4, &x1, &y1);
	return AJK_RAD2DEG(atan2(x1 - x0, y1 - y0));
}

static AJ_NORETURN void
refuse_layout(const char *what)
{
	aj_step_error(AJ_ERRCODE_VALIDATION, "layout_invalid",
				  psprintf("parameter \"layout\" is invalid: %s", what), NULL,
				  "Give a GeoJSON FeatureCollection of points (longitude, latitude), such as the layout of a layout job's result, or an array of [x_m, y_m].");
}

/* First two numbers of an array. */
static bool
number_pair(JsonbValue *v, double *a, double *b)
{
	double	   *out[2] = {a, b};

	if (v == NULL || v->type != jbvBinary ||
		!JsonContainerIsArray(v->val.binary.data) ||
		JsonContainerSize(v->val.binary.data) < 2)
		return false;
	for (int i = 0; i < 2; i++)
	{
		JsonbValue *e = getIthJsonbValueFromContainer(v->val.binary.data, i);

		if (e->type != jbvNumeric)
			return false;
		*out[i] = DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow,
													 NumericGetDatum(e->val.numeric)));
		if (!isfinite(*out[i]) || fabs(*out[i]) > 1e8)
			return false;
	}
	return true;
}

/* The turbine's type that a feature or an element [x, y, type] names. */
static char *
type_name(JsonbContainer *c)
{
	JsonbValue *v;

	if (JsonContainerIsObject(c))
	{
		JsonbContainer *p = aj_param_object(c, "properties");

		return p ? aj_param_text(p, "turbine_type", NULL) : NULL;
	}
	if (JsonContainerSize(c) < 3)
		return NULL;
	v = getIthJsonbValueFromContainer(c, 2);
	return v->type == jbvString ? pnstrdup(v->val.string.val, v->val.string.len) : NULL;
}

/* Longitudes and latitudes to ground metres about their middle. */
static void
project(AjPositions *p)
{
	double		west = INFINITY;
	double		east = -INFINITY;
	double		south = INFINITY;
	double		north = -INFINITY;
	double		lon,
				lat,
				mx,
				my,
				k;
	int			zone;
	AjkTm		tm;
	double	   *lons = palloc(sizeof(double) * p->n);

	memcpy(lons, p->lon, sizeof(double) * p->n);
	for (int i = 0; i < p->n; i++)
	{
		west = fmin(west, p->lon[i]);
		east = fmax(east, p->lon[i]);
		south = fmin(south, p->lat[i]);
		north = fmax(north, p->lat[i]);
	}
	if (east - west > 180)
	{
		/* on both sides of the 180th meridian: count on beyond it */
		for (int i = 0; i < p->n; i++)
			lons[i] = p->lon[i] < 0 ? p->lon[i] + 360 : p->lon[i];
		west = INFINITY;
		east = -INFINITY;
		for (int i = 0; i < p->n; i++)
		{
			west = fmin(west, lons[i]);
			east = fmax(east, lons[i]);
		}
	}
	lon = 0.5 * (west + east);
	lat = 0.5 * (south + north);
	if ((east - west) * cos(AJK_DEG2RAD(lat)) > 1.5 || north - south > 1.5)
		refuse_layout("the turbines are more than 160 km apart");
	zone = ajk_utm_zone(lon);
	tm = ajk_tm_utm(zone, lat < 0);
	k = ajk_tm_scale(&tm, lon, lat);
	ajk_tm_forward(&tm, lon, lat, &mx, &my);
	for (int i = 0; i < p->n; i++)
	{
		ajk_tm_forward(&tm, lons[i], p->lat[i], &p->x[i], &p->y[i]);
		p->x[i] = (p->x[i] - mx) / k;
		p->y[i] = (p->y[i] - my) / k;
	}
	p->true_north_deg = aj_true_north(zone, lat < 0, lon, lat);
	p->zone = zone;
	p->south = lat < 0;
	p->mx = mx;
	p->my = my;
	p->k = k;
}

AjPositions *
aj_positions_parse(JsonbContainer *layout)
{
	AjPositions *p = palloc0(sizeof(AjPositions));
	JsonbContainer *list = layout;
	bool		geo = JsonContainerIsObject(layout);

	if (geo)
	{
		/* a layout step's whole output will do, too */
		JsonbContainer *inner = aj_param_object(layout, "layout");

		list = aj_param_array(inner ? inner : layout, "features");
		if (list == NULL)
			refuse_layout("it has no features");
	}
	p->k = 1;
	p->n = JsonContainerSize(list);
	if (p->n < 1 || p->n > AJ_MAX_TURBINES)
		refuse_layout(psprintf("it has %d turbines, allowed are 1 to %d",
							   p->n, AJ_MAX_TURBINES));
	p->x = palloc(sizeof(double) * p->n);
	p->y = palloc(sizeof(double) * p->n);
	p->turbine = palloc0(sizeof(char *) * p->n);
	if (geo)
	{
		p->lon = palloc(sizeof(double) * p->n);
		p->lat = palloc(sizeof(double) * p->n);
	}
	for (int i = 0; i < p->n; i++)
	{
		JsonbValue *v = getIthJsonbValueFromContainer(list, i);
		JsonbContainer *g;
		JsonbValue	c;

		if (!geo)
		{
			if (!number_pair(v, &p->x[i], &p->y[i]))
				refuse_layout(psprintf("element %d is not [x_m, y_m]", i + 1));
			p->turbine[i] = type_name(v->val.binary.data);
			continue;
		}
		g = v->type == jbvBinary && JsonContainerIsObject(v->val.binary.data) ?
			aj_param_object(v->val.binary.data, "geometry") : NULL;
		if (g == NULL ||
			strcmp(aj_param_text(g, "type", ""), "Point") != 0 ||
			getKeyJsonValueFromContainer(g, "coordinates", 11, &c) == NULL ||
			!number_pair(&c, &p->lon[i], &p->lat[i]))
			refuse_layout(psprintf("feature %d is not a point", i + 1));
		if (fabs(p->lon[i]) > 180 || fabs(p->lat[i]) > 84)
			aj_step_error(AJ_ERRCODE_VALIDATION, "coordinates_out_of_range",
						  psprintf("feature %d of \"layout\" is at (%.7g, %.7g)",
								   i + 1, p->lon[i], p->lat[i]), NULL,
						  "Give longitude -180..180 and latitude -84..84, longitude first.");
		p->turbine[i] = type_name(v->val.binary.data);
	}
	if (geo)
		project(p);
	for (int i = 0; i < p->n; i++)
		for (int j = 0; j < i; j++)
			if (hypot(p->x[i] - p->x[j], p->y[i] - p->y[j]) < 1.0)
				refuse_layout(psprintf("turbines %d and %d stand in the same place",
									   j + 1, i + 1));
	return p;
}

/*-------------------------------------------------------------------------
 *
 * site_layout_step.c
 *		The step that lays out a site: assets, roads, earthwork, rules.
 *
 * One variant for each strategy or set of parameters that is asked for; they
 * share the grid, what a road can reach, and the order of work.  Recommended
 * is the variant that breaks the fewest rules, of these the one that moves
 * the least earth for a kilowatt.
 *
 * Progress is shown by the stages of the source documents: fetching_dem,
 * computing_slope, analyzing_terrain, placing_assets, generating_roads,
 * computing_earthwork, finalizing.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "site_layout.h"

#include <math.h>

#include "terrain_detail.h"

PG_FUNCTION_INFO_V1(aj_step_site_layout);
PG_FUNCTION_INFO_V1(aj_check_site_layout);

static const char *const known_params[] = {
	AJ_SITE_GRID_PARAMS, "profile", "strategy", "variants",
	"target_capacity_kw", "assets", "substations", "fixed_assets",
	"min_spacing_m", "road_width_m", "max_road_grade_pct",
	"station_interval_m", "road_smoothing_m", "batter_cut", "batter_fill",
	"swell", "shrink", "jurisdiction", "title", NULL
};

static const AjStrategy strategies[] = {
	{"balanced", 15, 0.65, 0.15, false},
	{"density", 10, 0.50, 0.15, false},
	{"low_earthwork", 20, 0.80, 0.05, true},
	{"clustered", 12, 0.45, 0.40, false}
};

/*
 * Gentle ground alone does not make little earthwork: the road there may move
 * more than the pads do.  So more weight for nearness is tried as well.
 */
static const double nearer[] = {0.15, 0.40, 0.70};

static const char *const strategy_names[] = {
	"balanced", "density", "low_earthwork", "clustered", NULL
};

static const char *const jurisdictions[] = {"default", "CA", "TX", NULL};

/* All variants of a job. */
typedef struct Plan
{
	AjLayoutParams *variant[AJ_MAX_VARIANTS];
	int			nvariants;
	AjSiteGridDefaults defaults;
} Plan;

/* ---- parameters ---- */

static void
read_fixed(JsonbContainer *params, AjLayoutParams *p)
{
	static const char *const known[] = {
		"asset_type", "name", "longitude", "latitude", NULL
	};
	JsonbContainer *list = aj_param_array(params, "fixed_assets");
	int			n = list ? (int) JsonContainerSize(list) : 0;

	if (n > AJ_MAX_ASSETS)
		aj_step_error(AJ_ERRCODE_VALIDATION, "unit_or_range",
					  psprintf("parameter \"fixed_assets\" has %d elements", n),
					  psprintf("Allowed are at most %d.", AJ_MAX_ASSETS),
					  "Give fewer.");
	p->fixed = palloc0((n + 1) * sizeof(AjFixedAsset));
	for (int i = 0; i < n; i++)
	{
		JsonbValue *v = getIthJsonbValueFromContainer(list, i);
		AjFixedAsset *f = &p->fixed[p->nfixed++];
		JsonbContainer *c;

		if (v->type != jbvBinary || !JsonContainerIsObject(v->val.binary.data))
			aj_step_error(AJ_ERRCODE_VALIDATION, "unit_or_range",
						  psprintf("element %d of \"fixed_assets\" is not an object",
								   i + 1), NULL,
						  "Give {\"asset_type\", \"longitude\", \"latitude\", \"name\"} for each.");
		c = v->val.binary.data;
		aj_check_params(c, known);
		(void) aj_require_text(c, "asset_type");
		f->kind = aj_asset_kind(aj_param_choice(c, "asset_type", NULL,
												aj_asset_names));
		f->lon = aj_require_number(c, "longitude", -180, 180);
		f->lat = aj_require_number(c, "latitude", -80, 84);
		f->name = aj_param_text(c, "name",
								psprintf("%s (given) %d",
										 aj_asset_types[f->kind].label, i + 1));
		if (strlen(f->name) > 200)
			aj_step_error(AJ_ERRCODE_VALIDATION, "unit_or_range",
						  psprintf("the name of element %d of \"fixed_assets\" is longer than 200 bytes",
								   i + 1), NULL, "Give a shorter one.");
	}
}

/* What a variant may have of its own. */
static void
read_variant(JsonbContainer *c, AjLayoutParams *p)
{
	const char *s = aj_param_choice(c, "strategy", p->strategy->name,
									strategy_names);
	double		total = 0;

	for (int i = 0; i < (int) lengthof(strategies); i++)
		if (strcmp(strategies[i].name, s) == 0)
			p->strategy = &strategies[i];
	p->name = aj_param_text(c, "name", pstrdup(p->strategy->name));
	if (p->name[0] == '\0' || strlen(p->name) > 60)
		aj_step_error(AJ_ERRCODE_VALIDATION, "unit_or_range",
					  psprintf("the name of a variant has %zu bytes",
							   strlen(p->name)),
					  "Allowed are 1 to 60.", "Give a shorter one.");
	p->target_kw = aj_param_number(c, "target_capacity_kw", p->target_kw, 0, 1e7);
	if (aj_param_exists(c, "profile"))
		p->profile = aj_asset_profile(c);
	p->spacing_m = aj_param_number(c, "min_spacing_m",
								   p->spacing_m > 0 ? p->spacing_m :
								   p->strategy->min_spacing_m, 0, 5000);
	for (int k = 0; k < AJ_NASSET_TYPES; k++)
	{
		double		fixed_kw = 0;
		double		n;

		for (int i = 0; i < p->nfixed; i++)
			if (p->fixed[i].kind == k)
				fixed_kw += aj_asset_kw(&p->types[k]);
		if (k == AJ_ASSET_SUBSTATION)
			continue;
		n = ceil((p->target_kw * p->profile->share[k] - fixed_kw)
				 / aj_asset_kw(&p->types[k]) - 1e-9);
		total += Max(n, 0);
		p->count[k] = (int) Min(Max(n, 0), AJ_MAX_ASSETS + 1);
	}
	total += p->count[AJ_ASSET_SUBSTATION] + p->nfixed;
	if (total > AJ_MAX_ASSETS)
		aj_step_error(AJ_ERRCODE_VALIDATION, "unit_or_range",
					  psprintf("parameter \"target_capacity_kw\" is out of range: %.10g",
							   p->target_kw),
					  psprintf("It takes %.0f assets of variant \"%s\"; allowed are at most %d.",
							   total, p->name, AJ_MAX_ASSETS),
					  "Lower target_capacity_kw, or raise the assets' footprint_length_m, footprint_width_m or kw_per_m2.");
	if (total < 1)
		aj_step_error(AJ_ERRCODE_VALIDATION, "unit_or_range",
					  psprintf("variant \"%s\" has no assets", p->name), NULL,
					  "Give a target_capacity_kw above 0, substations, or fixed_assets.");
}

static void
read_variants(JsonbContainer *params, const AjLayoutParams *common, Plan *plan)
{
	static const char *const known[] = {
		"name", "strategy", "profile", "target_capacity_kw", "min_spacing_m",
		NULL
	};
	JsonbContainer *list = aj_param_array(params, "variants");
	int			n = list ? (int) JsonContainerSize(list) : 1;

	if (n < 1 || n > AJ_MAX_VARIANTS)
		aj_step_error(AJ_ERRCODE_VALIDATION, "unit_or_range",
					  psprintf("parameter \"variants\" has %d elements", n),
					  psprintf("Allowed are 1 to %d.", AJ_MAX_VARIANTS),
					  "Give names of strategies, or objects with name, strategy, profile, target_capacity_kw, min_spacing_m.");
	plan->nvariants = n;
	for (int i = 0; i < n; i++)
	{
		AjLayoutParams *p = palloc(sizeof(AjLayoutParams));
		JsonbValue *v = list ? getIthJsonbValueFromContainer(list, i) : NULL;

		memcpy(p, common, sizeof(*p));
		plan->variant[i] = p;
		if (v == NULL)
			read_variant(NULL, p);
		else if (v->type == jbvString)
		{
			char	   *name = pnstrdup(v->val.string.val, v->val.string.len);
			bool		found = false;

			for (int s = 0; s < (int) lengthof(strategies); s++)
				if (strcmp(strategies[s].name, name) == 0)
				{
					p->strategy = &strategies[s];
					found = true;
				}
			if (!found)
				aj_step_error(AJ_ERRCODE_VALIDATION, "unit_or_range",
							  psprintf("parameter \"variants\" names an unknown strategy: \"%s\"",
									   name),
							  "Allowed are: balanced, density, low_earthwork, clustered.",
							  psprintf("Did you mean \"%s\"?",
									   aj_closest(name, strategy_names)));
			read_variant(NULL, p);
		}
		else if (v->type == jbvBinary && JsonContainerIsObject(v->val.binary.data))
		{
			aj_check_params(v->val.binary.data, known);
			read_variant(v->val.binary.data, p);
		}
		else
			aj_step_error(AJ_ERRCODE_VALIDATION, "unit_or_range",
						  psprintf("element %d of \"variants\" is neither a name nor an object",
								   i + 1), NULL,
						  "Give names of strategies, or objects with name, strategy, profile, target_capacity_kw, min_spacing_m.");
		for (int j = 0; j < i; j++)
			if (strcmp(plan->variant[j]->name, p->name) == 0)
				aj_step_error(AJ_ERRCODE_VALIDATION, "unit_or_range",
							  psprintf("two variants are named \"%s\"", p->name),
							  NULL, "Give each a \"name\" of its own.");
	}
}

static void
read_params(JsonbContainer *params, Plan *plan)
{
	AjLayoutParams p = {0};
	double		steepest = 0;

	memset(plan, 0, sizeof(*plan));
	p.strategy = &strategies[0];
	{
		const char *s = aj_param_choice(params, "strategy", "balanced",
										strategy_names);

		for (int i = 0; i < (int) lengthof(strategies); i++)
			if (strcmp(strategies[i].name, s) == 0)
				p.strategy = &strategies[i];
	}
	p.profile = aj_asset_profile(params);
	aj_asset_types_get(params, p.types);
	p.target_kw = aj_param_number(params, "target_capacity_kw", 1000, 0, 1e7);
	p.count[AJ_ASSET_SUBSTATION] = aj_param_int(params, "substations", 1, 0, 10);
	if (aj_param_exists(params, "min_spacing_m"))
		p.spacing_m = aj_param_number(params, "min_spacing_m", 15, 0.1, 5000);
	p.road_width_m = aj_param_number(params, "road_width_m", 5, 2, 30);
	p.max_grade = aj_param_number(params, "max_road_grade_pct", 10, 0.5, 40) / 100;
	p.station_m = aj_param_number(params, "station_interval_m", 25, 1, 1000);
	p.smoothing_m = aj_param_number(params, "road_smoothing_m", 50, 0, 1000);
	p.sides.cut = aj_param_number(params, "batter_cut", 2, 0, 10);
	p.sides.fill = aj_param_number(params, "batter_fill", 2, 0, 10);
	p.sides.reach_m = 40;
	p.sides.step_m = 0.5;
	p.swell = aj_param_number(params, "swell", 1.25, 1, 3);
	p.shrink = aj_param_number(params, "shrink", 0.9, 0.3, 1.5);
	p.jurisdiction = aj_param_choice(params, "jurisdiction", "default",
									 jurisdictions);
	(void) aj_param_text(params, "title", NULL);
	read_fixed(params, &p);
	read_variants(params, &p, plan);

	/* slope excludes ground that no asset of the job bears */
	for (int k = 0; k < AJ_NASSET_TYPES; k++)
		for (int i = 0; i < plan->nvariants; i++)
			if (plan->variant[i]->count[k] > 0)
				steepest = Max(steepest, p.types[k].max_slope_deg);
	for (int i = 0; i < p.nfixed; i++)
		steepest = Max(steepest, p.types[p.fixed[i].kind].max_slope_deg);
	plan->defaults = (AjSiteGridDefaults)
	{
		.max_slope_deg = steepest,.boundary_setback_m = 5,.cell_m = 10,
			.max_cells = 1e6,.extra_bytes = AJ_SITE_LAYOUT_BYTES
	};
}

/*
 * check_site_layout(params jsonb) returns void
 */
Datum
aj_check_site_layout(PG_FUNCTION_ARGS)
{
	AjStepInput in;
	Plan		plan;

	aj_step_input(PG_GETARG_JSONB_P(0), &in);
	aj_check_params(in.params, known_params);
	read_params(in.params, &plan);
	aj_site_grid_check(in.params, &plan.defaults);
	PG_RETURN_VOID();
}

/* ---- the work ---- */

static AjLayout *
lay_out(AjGroundModel *m, AjLayoutParams *p, bool trial, double from, double to)
{
	AjLayout   *l = palloc0(sizeof(AjLayout));
	double		span = to - from;

	l->p = p;
	l->trial = trial;
	aj_progress(from, psprintf("placing_assets: %s", p->name));
	aj_place_assets(m, l);
	if (l->failed)
		return l;
	for (int i = 0; i < l->nassets; i++)
		if (aj_is_generation(l->assets[i].kind))
			l->capacity_kw += aj_asset_kw(&p->types[l->assets[i].kind]);
	aj_level_pads(m, l);
	aj_progress(from + 0.5 * span, psprintf("generating_roads: %s", p->name));
	aj_build_roads(m, l);
	aj_progress(from + 0.9 * span, psprintf("computing_earthwork: %s", p->name));
	aj_check_compliance(m, l);
	return l;
}

static double
earth_per_kw(const AjLayout *l)
{
	double		earth = l->pad_cut_m3 + l->pad_fill_m3 + l->road_cut_m3
	+ l->road_fill_m3;

	return earth / Max(l->capacity_kw, 1);
}

/* Fewer rules broken, then less earth for a kilowatt. */
static bool
better(const AjLayout *a, const AjLayout *b)
{
	return a->failures < b->failures ||
		(a->failures == b->failures && earth_per_kw(a) < earth_per_kw(b));
}

static AjLayout *
lay_out_variant(AjGroundModel *m, AjLayoutParams *p, double from, double to)
{
	const AjStrategy *s = p->strategy;
	int			n = s->least_earth ? 1 + (int) lengthof(nearer) : 1;
	double		span = (to - from) / n;
	AjLayout   *best = lay_out(m, p, false, from, from + span);

	for (int i = 1; i < n; i++)
	{
		AjStrategy	t = *s;
		AjLayout   *l;

		t.w_proximity = nearer[i - 1];
		t.w_slope = s->w_slope * (1 - t.w_proximity) / (1 - s->w_proximity);
		p->strategy = &t;
		l = lay_out(m, p, true, from + i * span, from + (i + 1) * span);
		p->strategy = s;
		if (!l->failed && better(l, best))
			best = l;
	}
	return best;
}

static int
recommend(AjLayout **l, int n)
{
	int			best = 0;

	for (int i = 1; i < n; i++)
		if (better(l[i], l[best]))
			best = i;
	return best;
}

static void
put(StringInfo buf, const char *key, double value, int decimals)
{
	if (buf->data[buf->len - 1] != '{')
		appendStringInfoChar(buf, ',');
	appendStringInfo(buf, "\"%s\":", key);
	aj_json_number(buf, value, decimals);
}

static void
put_parameters(StringInfo b, const AjSiteGrid *g, const AjLayoutParams *p)
{
	appendStringInfoString(b, ",\"parameters\":{");
	put(b, "max_slope_deg", g->max_slope_deg, 3);
	put(b, "boundary_setback_m", g->boundary_setback_m, 3);
	put(b, "road_width_m", p->road_width_m, 3);
	put(b, "max_road_grade_pct", 100 * p->max_grade, 3);
	put(b, "station_interval_m", p->station_m, 3);
	put(b, "road_smoothing_m", p->smoothing_m, 3);
	put(b, "batter_cut", p->sides.cut, 3);
	put(b, "batter_fill", p->sides.fill, 3);
	put(b, "swell", p->swell, 3);
	put(b, "shrink", p->shrink, 3);
	appendStringInfo(b, ",\"jurisdiction\":\"%s\"},\"grid\":{",
					 p->jurisdiction);
	put(b, "epsg", (g->south ? 32700 : 32600) + g->zone, 0);
	put(b, "ncols", g->ncols, 0);
	put(b, "nrows", g->nrows, 0);
	put(b, "resolution_m", g->cell_m, 3);
	put(b, "dem_cell_m", g->dem_cell_m, 3);
	appendStringInfoChar(b, '}');
}

static void
artifact(const char *name, const char *kind, const char *media, char *text)
{
	aj_artifact(name, kind, media, text, strlen(text));
}

/*
 * The result; with geometry, the assets and roads of each variant, which the
 * report draws.
 */
static char *
result_json(const AjGroundModel *m, AjLayout **l, int n, int best,
			bool geometry)
{
	StringInfoData b;
	const AjSiteGrid *g = m->g;

	initStringInfo(&b);
	appendStringInfoString(&b, "{\"site\":");
	aj_json_string(&b, g->site->name);
	appendStringInfoString(&b, ",\"dem\":");
	aj_json_string(&b, g->dem_name);
	appendStringInfoString(&b, ",\"variant\":");
	aj_json_string(&b, l[best]->p->name);
	appendStringInfoString(&b, ",\"metrics\":");
	aj_layout_metrics(&b, l[best]);
	appendStringInfoString(&b, ",\"variants\":[");
	for (int i = 0; i < n; i++)
	{
		appendStringInfoString(&b, i ? ",{\"name\":" : "{\"name\":");
		aj_json_string(&b, l[i]->p->name);
		appendStringInfo(&b, ",\"strategy\":\"%s\",\"profile\":\"%s\",\"recommended\":%s",
						 l[i]->p->strategy->name, l[i]->p->profile->name,
						 i == best ? "true" : "false");
		put(&b, "earth_m3_per_kw", earth_per_kw(l[i]), 4);
		appendStringInfoString(&b, ",\"metrics\":");
		aj_layout_metrics(&b, l[i]);
		appendStringInfoString(&b, ",\"compliance\":");
		aj_layout_compliance(&b, l[i]);
		if (geometry)
			appendStringInfo(&b, ",\"assets\":%s,\"pads\":%s,\"roads\":%s",
							 aj_layout_assets(m, l[i]), aj_layout_pads(m, l[i]),
							 aj_layout_roads(m, l[i]));
		appendStringInfoChar(&b, '}');
	}
	appendStringInfoChar(&b, ']');
	put_parameters(&b, g, l[best]->p);
	appendStringInfoChar(&b, '}');
	return b.data;
}

static void
store(const AjGroundModel *m, AjLayout **l, int n, int best)
{
	StringInfoData rules;

	for (int i = 0; i < n; i++)
	{
		/* the recommended variant's have plain names */
		const char *suffix = i == best ? "" : psprintf(".%s", l[i]->p->name);

		artifact(psprintf("assets%s", suffix), "site_assets",
				 "application/geo+json", aj_layout_assets(m, l[i]));
		artifact(psprintf("pads%s", suffix), "site_pads",
				 "application/geo+json", aj_layout_pads(m, l[i]));
		artifact(psprintf("roads%s", suffix), "site_roads",
				 "application/geo+json", aj_layout_roads(m, l[i]));
	}
	artifact("road_stations.csv", "road_stations", "text/csv",
			 aj_layout_stations_csv(m, l[best]));
	artifact("earthwork.csv", "earthwork", "text/csv",
			 aj_layout_earthwork_csv(l[best]));
	initStringInfo(&rules);
	aj_layout_compliance(&rules, l[best]);
	artifact("compliance", "compliance", "application/json", rules.data);
	artifact("site_layout_metrics", "site_layout_metrics", "application/json",
			 result_json(m, l, n, best, false));
}

/*
 * step_site_layout(input jsonb) returns jsonb
 */
Datum
aj_step_site_layout(PG_FUNCTION_ARGS)
{
	Jsonb	   *arg = PG_GETARG_JSONB_P_COPY(0);
	AjStepInput in;
	Plan		plan;
	AjGroundModel m = {0};
	AjLayout   *l[AJ_MAX_VARIANTS];
	int			best;

	aj_step_input(arg, &in);
	aj_check_params(in.params, known_params);
	read_params(in.params, &plan);
	aj_progress(0.02, "fetching_dem");
	m.g = aj_site_grid_load(in.params, &plan.defaults, 0.05, 0.25);
	aj_progress(0.25, "analyzing_terrain");
	aj_ground_model(&m, plan.variant[0]);
	for (int i = 0; i < plan.nvariants; i++)
		l[i] = lay_out_variant(&m, plan.variant[i],
							   0.4 + 0.5 * i / plan.nvariants,
							   0.4 + 0.5 * (i + 1) / plan.nvariants);
	aj_progress(0.92, "finalizing");
	best = recommend(l, plan.nvariants);
	store(&m, l, plan.nvariants, best);
	PG_RETURN_JSONB_P(aj_jsonb_from_text(result_json(&m, l, plan.nvariants,
													 best, true)));
}

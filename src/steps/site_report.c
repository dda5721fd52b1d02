/*-------------------------------------------------------------------------
 *
 * site_report.c
 *		The report of a site layout: one HTML file.
 *
 * The figures are those of the step before; what is drawn of the ground
 * comes from the site's grid, loaded again with the same parameters.  The
 * second map shows the part of the first where the assets are, with pads
 * and footprints to scale; both share one image.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "html.h"
#include "report_svg.h"
#include "site_layout.h"

#include <math.h>

#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(aj_step_site_report);

#define MAX_PROFILES 4

static const char *const asset_color[AJ_NASSET_TYPES] = {
	"#e0a100", "#2f7d4f", "#8a4b9e", "#c2352b", "#0b3954"
};

static const char *const road_color[] = {"#1d2733", "#3d4b59", "#5c677d"};

typedef struct Report
{
	AjSiteGrid *grid;
	char	   *title;
	JsonbContainer *out;		/* output of the step site_layout */
	JsonbContainer *variants;
	JsonbContainer *best;		/* the recommended variant */
	JsonbContainer *metrics;	/* of it */
	JsonbContainer *parameters;
} Report;

static JsonbContainer *
element(JsonbContainer *list, int i)
{
	JsonbValue *v = getIthJsonbValueFromContainer(list, i);

	if (v == NULL || v->type != jbvBinary)
		aj_step_error(AJ_ERRCODE_VALIDATION, "step_missing",
					  "the output of step \"site_layout\" has an unexpected form",
					  NULL, "The report follows the step \"site_layout\" of its pipeline.");
	return v->val.binary.data;
}

static JsonbContainer *
features(JsonbContainer *variant, const char *key)
{
	return aj_require_array(aj_require_object(variant, key), "features");
}

static double
number(JsonbContainer *c, const char *key)
{
	return aj_param_number(c, key, 0, -INFINITY, INFINITY);
}

/* Position i of a list, in metres of the map. */
static void
position(const Report *r, JsonbContainer *list, int i, double *x, double *y)
{
	const AjSiteGrid *g = r->grid;
	JsonbContainer *p = i < 0 ? list : element(list, i);
	double		v[2] = {0, 0};

	for (int k = 0; k < 2; k++)
	{
		JsonbValue *e = getIthJsonbValueFromContainer(p, k);

		if (e != NULL && e->type == jbvNumeric)
			v[k] = DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow,
													  NumericGetDatum(e->val.numeric)));
	}
	aj_site_xy(g, v[0], v[1], x, y);
	*x = (*x - g->x0) / g->k;
	*y = (g->y0 - *y) / g->k;
}

static void
read_input(Jsonb *arg, Report *r)
{
	AjStepInput in;
	AjSiteGridDefaults defaults = {.boundary_setback_m = 5};

	aj_step_input(arg, &in);
	r->out = in.steps ? aj_step_output(&in, "site_layout") : NULL;
	if (r->out == NULL)
		aj_step_error(AJ_ERRCODE_VALIDATION, "step_missing",
					  "the output of step \"site_layout\" is missing", NULL,
					  "The report follows the step \"site_layout\" of its pipeline.");
	r->variants = aj_require_array(r->out, "variants");
	for (int i = 0; i < (int) JsonContainerSize(r->variants); i++)
		if (i == 0 || aj_param_bool(element(r->variants, i), "recommended", false))
			r->best = element(r->variants, i);
	r->metrics = aj_require_object(r->best, "metrics");
	r->parameters = aj_require_object(r->out, "parameters");

	/* the step's grid again */
	defaults.max_slope_deg = number(r->parameters, "max_slope_deg");
	defaults.cell_m = number(aj_require_object(r->out, "grid"), "resolution_m");
	r->grid = aj_site_grid_load(in.params, &defaults, 0, 0.5);
	r->title = aj_param_text(in.params, "title", NULL);
	if (r->title == NULL)
		r->title = psprintf("Site layout %s", r->grid->site->name);
}

/* ---- maps ---- */

static void
draw_roads(StringInfo b, const Report *r, double unit, double width_m)
{
	JsonbContainer *list = features(r->best, "roads");

	for (int i = (int) JsonContainerSize(list) - 1; i >= 0; i--)
	{
		JsonbContainer *f = element(list, i);
		JsonbContainer *p = aj_require_object(f, "properties");
		JsonbContainer *line = aj_require_array(aj_require_object(f, "geometry"),
												"coordinates");
		char	   *class = aj_param_text(p, "road_class", "");
		int			c = strcmp(class, "spine") == 0 ? 0 :
		strcmp(class, "secondary") == 0 ? 1 : 2;
		StringInfoData d;

		initStringInfo(&d);
		for (int k = 0; k < (int) JsonContainerSize(line); k++)
		{
			double		x,
						y;

			position(r, line, k, &x, &y);
			appendStringInfo(&d, "%c%.1f %.1f", k ? 'L' : 'M', x, y);
		}
		appendStringInfo(b, "<g fill=\"none\" stroke-linejoin=\"round\" stroke-linecap=\"round\"><title>Road %d, %.0f m, at most %.1f %%</title>"
						 "<path d=\"%s\" stroke=\"#fff\" stroke-width=\"%.2f\"/><path d=\"%s\" stroke=\"%s\" stroke-width=\"%.2f\"/></g>",
						 i + 1, number(p, "length_m"), number(p, "max_grade_pct"),
						 d.data, Max((5.5 - c) * unit, width_m + 2 * unit),
						 d.data, road_color[c], Max((3 - 0.7 * c) * unit, width_m));
		pfree(d.data);
	}
}

static void
draw_assets(StringInfo b, const Report *r, double unit, bool to_scale)
{
	JsonbContainer *list = features(r->best, "assets");
	int			n = (int) JsonContainerSize(list);

	for (int i = 0; i < n; i++)
	{
		JsonbContainer *f = element(list, i);
		JsonbContainer *p = aj_require_object(f, "properties");
		int			kind = Max(aj_asset_kind(aj_param_text(p, "asset_type", "")), 0);
		double		x,
					y;

		position(r, aj_require_array(aj_require_object(f, "geometry"),
									 "coordinates"), -1, &x, &y);
		appendStringInfoString(b, "<g><title>");
		aj_html_text(b, aj_param_text(p, "name", ""));
		appendStringInfo(b, ", %.6g kW, pad at %.1f m</title>",
						 number(p, "capacity_kw"), number(p, "elevation_m"));
		if (to_scale)
		{
			double		pad = number(p, "pad_m"),
						l = number(p, "footprint_length_m"),
						w = number(p, "footprint_width_m");

			appendStringInfo(b, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" fill=\"#f7f3ea\" fill-opacity=\".9\" stroke=\"#5c4a32\" stroke-width=\"%.2f\"/>"
							 "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" fill=\"%s\"/>",
							 x - pad / 2, y - pad / 2, pad, pad, 1.2 * unit,
							 x - l / 2, y - w / 2, l, w, asset_color[kind]);
			if (n <= 120)
				appendStringInfo(b, "<text x=\"%.1f\" y=\"%.1f\" font-size=\"%.2f\" font-weight=\"700\" text-anchor=\"middle\" fill=\"#1d2733\" class=\"halo\" style=\"stroke-width:%.2fpx\">%d</text>",
								 x, y - pad / 2 - 3 * unit, 12 * unit, 3 * unit, i + 1);
		}
		else
			appendStringInfo(b, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\" fill=\"%s\" stroke=\"#fff\" stroke-width=\"%.1f\"/>",
							 x, y, 5.5 * unit, asset_color[kind], 1.5 * unit);
		appendStringInfoString(b, "</g>");
	}
}

/* Where a piece of some length begins that is to lie within the map. */
static double
within(double from, double *length, double map)
{
	*length = fmin(*length, map);
	return fmin(fmax(from, 0), map - *length);
}

/* The part of the map where assets are, three by two or wider. */
static void
asset_box(const Report *r, double *x0, double *y0, double *w, double *h)
{
	JsonbContainer *list = features(r->best, "assets");
	double		x1 = -INFINITY,
				y1 = -INFINITY;

	*x0 = *y0 = INFINITY;
	for (int i = 0; i < (int) JsonContainerSize(list); i++)
	{
		JsonbContainer *f = element(list, i);
		double		half = number(aj_require_object(f, "properties"), "pad_m") / 2;
		double		x,
					y;

		position(r, aj_require_array(aj_require_object(f, "geometry"),
									 "coordinates"), -1, &x, &y);
		*x0 = fmin(*x0, x - half);
		*y0 = fmin(*y0, y - half);
		x1 = fmax(x1, x + half);
		y1 = fmax(y1, y + half);
	}
	*w = fmax(x1 - *x0, 60) * 1.16;
	*h = fmax(y1 - *y0, 40) * 1.16;
	if (*w < 1.5 * *h)
		*w = 1.5 * *h;
	if (*h < 0.45 * *w)
		*h = 0.45 * *w;
	*x0 = within((*x0 + x1 - *w) / 2, w, r->grid->ncols * r->grid->cell_m / r->grid->k);
	*y0 = within((*y0 + y1 - *h) / 2, h, r->grid->nrows * r->grid->cell_m / r->grid->k);
}

static void
write_map(StringInfo b, const Report *r, bool detail)
{
	const AjSiteGrid *g = r->grid;
	double		w = g->ncols * g->cell_m / g->k,
				h = g->nrows * g->cell_m / g->k;
	double		bx = 0,
				by = 0,
				bw = w,
				bh = h,
				unit;

	if (detail)
		asset_box(r, &bx, &by, &bw, &bh);
	unit = Max(bw, bh) / 1000;
	appendStringInfo(b, "<svg class=\"map\" viewBox=\"%.1f %.1f %.1f %.1f\" role=\"img\" aria-label=\"%s\">",
					 bx, by, bw, bh, detail ? "Assets, pads and roads to scale" :
					 "Map of the site with boundary, exclusion zones, roads and assets");
	if (detail)
		appendStringInfoString(b, "<use href=\"#relief\"/>");
	else
	{
		Size		len;
		void	   *png = aj_site_hillshade_png(g, true, &len);

		appendStringInfo(b, "<image id=\"relief\" width=\"%.1f\" height=\"%.1f\" preserveAspectRatio=\"none\" href=\"",
						 w, h);
		aj_html_png(b, png, len);
		appendStringInfoString(b, "\"/>");
		appendStringInfo(b, "<path d=\"M0 0H%.1fV%.1fH0Z", w, h);
		aj_svg_paths(b, g, g->site->rings, g->site->nrings, true);
		appendStringInfoString(b, "\" fill=\"#fff\" fill-opacity=\".5\" fill-rule=\"evenodd\"/>");
	}
	for (int i = 0; i < g->site->nzones; i++)
		aj_svg_zone(b, g, &g->site->zones[i], g->zone_type[i], unit);
	for (int pass = 0; pass < 2; pass++)
	{
		appendStringInfoString(b, "<path d=\"");
		aj_svg_paths(b, g, g->site->rings, g->site->nrings, true);
		appendStringInfo(b, "\" fill=\"none\" stroke=\"%s\" stroke-width=\"%.2f\" stroke-linejoin=\"round\"/>",
						 pass ? "#1d2733" : "#fff", (pass ? 2.6 : 6) * unit);
	}
	draw_roads(b, r, unit, detail ? number(r->parameters, "road_width_m") : 0);
	if (g->site->has_entry)
		appendStringInfo(b, "<g transform=\"translate(%.1f %.1f) scale(%.3f)\"><title>Site entry</title>"
						 "<path d=\"M0 -9L9 0L0 9L-9 0Z\" fill=\"#f2c14e\" stroke=\"#1d2733\" stroke-width=\"2\"/></g>",
						 (g->entry_x - g->x0) / g->k,
						 (g->y0 - g->entry_y) / g->k, unit);
	draw_assets(b, r, unit, detail);
	if (!detail)
	{
		double		x,
					y,
					dw,
					dh;

		asset_box(r, &x, &y, &dw, &dh);
		appendStringInfo(b, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" fill=\"none\" stroke=\"#1d2733\" stroke-width=\"%.1f\" stroke-dasharray=\"%.1f\"/>",
						 x, y, dw, dh, 1.2 * unit, 6 * unit);
	}
	appendStringInfo(b, "<g transform=\"translate(%.1f %.1f)\">", bx, by);
	aj_svg_scale_and_north(b, bw, bh, unit, aj_grid_north(g));
	appendStringInfoString(b, "</g></svg>");
}

static void
write_maps(StringInfo b, const Report *r)
{
	const AjSiteGrid *g = r->grid;
	JsonbContainer *types = aj_require_array(r->metrics, "assets_by_type");

	appendStringInfoString(b, "<section><h2>Site</h2><div class=\"scroll\">");
	write_map(b, r, false);
	appendStringInfoString(b, "</div><ul class=\"key\">");
	for (int i = 0; i < (int) JsonContainerSize(types); i++)
	{
		int			kind = Max(aj_asset_kind(aj_param_text(element(types, i), "asset_type", "")), 0);

		appendStringInfo(b, "<li><i class=\"dot\" style=\"background:%s\"></i>%s</li>",
						 asset_color[kind], aj_asset_types[kind].label);
	}
	appendStringInfoString(b, "<li><i class=\"stroke\" style=\"background:#1d2733\"></i>Road</li>");
	aj_svg_key(b, g);
	appendStringInfoString(b, "</ul></section>\n<section><h2>Layout</h2><div class=\"scroll\">");
	write_map(b, r, true);
	appendStringInfoString(b, "</div><p class=\"muted\">The part framed above. Pads with the footprint on them and roads are to scale; the numbers are those of the table of assets.</p></section>\n");
}

/* ---- the rest ---- */

static void
write_head(StringInfo b, const Report *r)
{
	const AjSite *site = r->grid->site;
	JsonbContainer *m = r->metrics;
	JsonbContainer *rules = aj_require_array(r->best, "compliance");
	int			nrules = (int) JsonContainerSize(rules);
	double		lon = 0.5 * (site->west + site->east),
				lat = 0.5 * (site->south + site->north);

	aj_html_begin(b, r->title);
	appendStringInfoString(b, "<p>");
	aj_html_text(b, site->name);
	appendStringInfo(b, " &middot; %.4f&deg; %c, %.4f&deg; %c &middot; site of %s ha &middot; profile %s, strategy %s</p></header>\n",
					 fabs(lat), lat < 0 ? 'S' : 'N', fabs(lon),
					 lon < 0 ? 'W' : 'E',
					 aj_html_number(r->grid->site_area_m2 / 1e4, 0),
					 aj_param_text(r->best, "profile", ""),
					 aj_param_text(r->best, "strategy", ""));
	appendStringInfoString(b, "<div class=\"figures\">");
	aj_html_figure(b, true, psprintf("%s <small>kW</small>", aj_html_number(number(m, "total_capacity_kw"), 0)),
				   psprintf("generation and storage; asked for %s kW",
							aj_html_number(number(m, "target_capacity_kw"), 0)));
	aj_html_figure(b, false, aj_html_number(number(m, "asset_count"), 0), "assets on pads");
	aj_html_figure(b, false, psprintf("%s <small>km</small>", aj_html_number(number(m, "road_length_m") / 1000, 2)),
				   psprintf("roads, at most %.1f %% steep", number(m, "max_road_grade_pct")));
	aj_html_figure(b, false, psprintf("%s <small>m&sup3;</small>", aj_html_number(number(m, "cut_volume_m3"), 0)),
				   "cut, in place");
	aj_html_figure(b, false, psprintf("%s <small>m&sup3;</small>", aj_html_number(number(m, "fill_volume_m3"), 0)),
				   "fill, compacted");
	aj_html_figure(b, false, psprintf("%d <small>of %d</small>", nrules - (int) number(m, "rules_failed"), nrules),
				   "rules kept");
	appendStringInfoString(b, "</div>\n");
}

static void
write_variants(StringInfo b, const Report *r)
{
	int			n = (int) JsonContainerSize(r->variants);

	if (n < 2)
		return;
	appendStringInfoString(b, "<section><h2>Variants</h2><div class=\"scroll\"><table><thead><tr><th>Variant</th><th>Strategy</th><th>Capacity<br>kW</th><th>Assets</th>"
						   "<th>Roads<br>m</th><th>Cut<br>m&sup3;</th><th>Fill<br>m&sup3;</th><th>Earth<br>m&sup3;/kW</th><th>Steepest<br>%</th><th>Rules<br>broken</th></tr></thead><tbody>");
	for (int i = 0; i < n; i++)
	{
		JsonbContainer *v = element(r->variants, i);
		JsonbContainer *m = aj_require_object(v, "metrics");
		bool		best = v == r->best || aj_param_bool(v, "recommended", false);

		appendStringInfo(b, "<tr%s><td>", best ? " style=\"font-weight:700\"" : "");
		aj_html_text(b, aj_param_text(v, "name", ""));
		appendStringInfo(b, "%s</td><td>%s</td><td>%s</td><td>%.0f</td><td>%s</td><td>%s</td><td>%s</td><td>%.2f</td><td>%.1f</td><td>%.0f</td></tr>",
						 best ? " (recommended)" : "",
						 aj_param_text(v, "strategy", ""),
						 aj_html_number(number(m, "total_capacity_kw"), 0),
						 number(m, "asset_count"),
						 aj_html_number(number(m, "road_length_m"), 0),
						 aj_html_number(number(m, "cut_volume_m3"), 0),
						 aj_html_number(number(m, "fill_volume_m3"), 0),
						 number(v, "earth_m3_per_kw"),
						 number(m, "max_road_grade_pct"),
						 number(m, "rules_failed"));
	}
	appendStringInfoString(b, "</tbody></table></div><p class=\"muted\">Recommended is the variant that breaks the fewest rules, of these the one that moves the least earth for a kilowatt. The rest of this report is about it.</p></section>\n");
}

static void
write_earthwork(StringInfo b, const Report *r)
{
	static const char *const groups[] = {"Pads", "Roads"};
	JsonbContainer *m = r->metrics;
	double		cut[2] = {number(m, "pad_cut_m3"), number(m, "road_cut_m3")};
	double		fill[2] = {number(m, "pad_fill_m3"), number(m, "road_fill_m3")};
	double		surplus = number(m, "surplus_cut_m3");
	AjChart		c;

	aj_chart_init(&c, "Volumes of cut and fill", "m&sup3;");
	c.scale = AJ_X_CATEGORIES;
	c.categories = groups;
	c.ncategories = 2;
	c.y_min = 0;
	aj_chart_add(&c, AJ_MARK_BARS, "Cut, in place", "#b4643c", 2, NULL, cut);
	aj_chart_add(&c, AJ_MARK_BARS, "Fill, compacted", "#5b8c5a", 2, NULL, fill);
	appendStringInfoString(b, "<div class=\"two\"><section><h2>Earthwork</h2>");
	aj_chart_draw(b, &c);
	appendStringInfo(b, "<table class=\"plain\"><tbody><tr><th>Cut, in place</th><td>%s m&sup3; (%s m&sup3; loose)</td></tr>"
					 "<tr><th>Fill, compacted</th><td>%s m&sup3; (takes %s m&sup3; of cut)</td></tr>"
					 "<tr><th>%s</th><td>%s m&sup3; in place</td></tr>"
					 "<tr><th>Roads by prismoids, as a check</th><td>cut %s, fill %s m&sup3;</td></tr></tbody></table></section>\n",
					 aj_html_number(number(m, "cut_volume_m3"), 0),
					 aj_html_number(number(m, "cut_loose_m3"), 0),
					 aj_html_number(number(m, "fill_volume_m3"), 0),
					 aj_html_number(number(m, "fill_needs_cut_m3"), 0),
					 surplus >= 0 ? "Left over" : "To be brought",
					 aj_html_number(fabs(surplus), 0),
					 aj_html_number(number(m, "road_cut_prismoidal_m3"), 0),
					 aj_html_number(number(m, "road_fill_prismoidal_m3"), 0));
}

static void
write_rules(StringInfo b, const Report *r)
{
	JsonbContainer *rules = aj_require_array(r->best, "compliance");

	appendStringInfo(b, "<section><h2>Rules</h2><div class=\"scroll\"><table><thead><tr><th>Rule</th><th></th><th>Limit</th><th>Worst</th><th style=\"text-align:left\">Of</th></tr></thead><tbody>");
	for (int i = 0; i < (int) JsonContainerSize(rules); i++)
	{
		JsonbContainer *c = element(rules, i);
		bool		least = aj_param_exists(c, "at_least");
		bool		passed = aj_param_bool(c, "passed", false);
		char	   *unit = aj_param_text(c, "unit", "");
		char	   *name = aj_param_text(c, "rule", "");

		if (strcmp(unit, "deg") == 0)
			unit = "&deg;";
		else if (strcmp(unit, "pct") == 0)
			unit = "%";
		for (char *p = name; *p; p++)
			if (*p == '_')
				*p = ' ';
		appendStringInfo(b, "<tr><td style=\"white-space:normal\">%s</td><td style=\"text-align:left;color:%s;font-weight:700\">%s</td><td>%s %.4g %s</td><td>",
						 name, passed ? "#2f7d4f" : "#c2352b",
						 passed ? "kept" : psprintf("broken by %.0f", number(c, "failures")),
						 least ? "&ge;" : "&le;",
						 number(c, least ? "at_least" : "at_most"), unit);
		if (aj_param_exists(c, "worst"))
			appendStringInfo(b, "%.4g %s", number(c, "worst"), unit);
		appendStringInfoString(b, "</td><td style=\"text-align:left;white-space:normal\">");
		aj_html_text(b, aj_param_text(c, "subject", "nothing it applies to"));
		appendStringInfoString(b, "</td></tr>");
	}
	appendStringInfo(b, "</tbody></table></div><p class=\"muted\">Jurisdiction: %s. A broken rule is shown, not hidden: it may be worth it or call for another variant.</p></section></div>\n",
					 aj_param_text(r->parameters, "jurisdiction", "default"));
}

/* Ground and road along the longest roads. */
static void
write_profiles(StringInfo b, const Report *r)
{
	JsonbContainer *roads = features(r->best, "roads");
	int			n = (int) JsonContainerSize(roads);
	bool	   *done = palloc0(n + 1);

	if (n == 0)
		return;
	appendStringInfoString(b, "<section class=\"long\"><h2>Profiles of the longest roads</h2><div class=\"two even\" style=\"margin-top:0\">");
	for (int k = 0; k < Min(n, MAX_PROFILES); k++)
	{
		int			longest = -1;
		double		most = -1;
		JsonbContainer *p,
				   *st;
		int			ns;
		double	   *s,
				   *ground,
				   *height;
		AjChart		c;

		for (int i = 0; i < n; i++)
		{
			double		len = number(aj_require_object(element(roads, i), "properties"), "length_m");

			if (!done[i] && len > most)
			{
				most = len;
				longest = i;
			}
		}
		done[longest] = true;
		p = aj_require_object(element(roads, longest), "properties");
		st = aj_require_array(p, "stationing");
		ns = (int) JsonContainerSize(st);
		s = palloc(ns * sizeof(double));
		ground = palloc(ns * sizeof(double));
		height = palloc(ns * sizeof(double));
		for (int i = 0; i < ns; i++)
		{
			s[i] = number(element(st, i), "station_m");
			ground[i] = number(element(st, i), "ground_m");
			height[i] = number(element(st, i), "elevation_m");
		}
		aj_chart_init(&c, psprintf("Profile of road %d", longest + 1), "Height, m");
		c.x_title = "m along the road";
		c.scale = AJ_X_NUMBER;
		c.x_min = 0;
		aj_chart_add(&c, AJ_MARK_LINE, "Ground", "#8c6d46", ns, s, ground);
		aj_chart_add(&c, AJ_MARK_LINE, "Road", "#0b3954", ns, s, height);
		appendStringInfo(b, "<div><h3>Road %d to ", longest + 1);
		aj_html_text(b, aj_param_text(p, "to", ""));
		appendStringInfo(b, ": %s m, at most %.1f %%</h3>",
						 aj_html_number(most, 0), number(p, "max_grade_pct"));
		aj_chart_draw(b, &c);
		appendStringInfoString(b, "</div>");
	}
	appendStringInfoString(b, "</div></section>\n");
	pfree(done);
}

static void
write_assets(StringInfo b, const Report *r)
{
	JsonbContainer *list = features(r->best, "assets");
	JsonbContainer *roads = features(r->best, "roads");

	appendStringInfoString(b, "<section class=\"long\"><h2>Assets</h2><div class=\"scroll\"><table><thead><tr><th>No.</th><th style=\"text-align:left\">Name</th><th>kW</th><th>Longitude</th><th>Latitude</th>"
						   "<th>Pad<br>m</th><th>Height<br>m</th><th>Slope<br>&deg;</th><th>Suited<br>0..1</th><th>Cut<br>m&sup3;</th><th>Fill<br>m&sup3;</th><th>Clearance<br>m</th></tr></thead><tbody>\n");
	for (int i = 0; i < (int) JsonContainerSize(list); i++)
	{
		JsonbContainer *f = element(list, i);
		JsonbContainer *p = aj_require_object(f, "properties");
		double		lon,
					lat,
					x,
					y;

		position(r, aj_require_array(aj_require_object(f, "geometry"),
									 "coordinates"), -1, &x, &y);
		aj_site_lonlat(r->grid, r->grid->x0 + x * r->grid->k,
					   r->grid->y0 - y * r->grid->k, &lon, &lat);
		appendStringInfo(b, "<tr><td>%d</td><td style=\"text-align:left\">", i + 1);
		aj_html_text(b, aj_param_text(p, "name", ""));
		appendStringInfo(b, "</td><td>%s</td><td>%.6f</td><td>%.6f</td><td>%.4g</td><td>%.1f</td><td>%.1f</td><td>%s</td><td>%.0f</td><td>%.0f</td><td>%.0f</td></tr>\n",
						 aj_html_number(number(p, "capacity_kw"), 0), lon, lat,
						 number(p, "pad_m"), number(p, "elevation_m"),
						 number(p, "slope_deg"),
						 aj_param_exists(p, "suitability_score") ?
						 psprintf("%.2f", number(p, "suitability_score")) : "given",
						 number(p, "cut_m3"), number(p, "fill_m3"),
						 floor(number(p, "constraint_margin_m")));
	}
	appendStringInfoString(b, "</tbody></table></div><p class=\"muted\">Clearance: metres to spare beyond the boundary setback and the nearest zone's buffer.</p></section>\n"
						   "<section class=\"long\"><h2>Roads</h2><div class=\"scroll\"><table><thead><tr><th>No.</th><th style=\"text-align:left\">To</th><th style=\"text-align:left\">Class</th><th>Length<br>m</th><th>Steepest<br>%</th><th>Mean<br>%</th><th>Cut<br>m&sup3;</th><th>Fill<br>m&sup3;</th><th style=\"text-align:left\">Remarks</th></tr></thead><tbody>\n");
	for (int i = 0; i < (int) JsonContainerSize(roads); i++)
	{
		JsonbContainer *p = aj_require_object(element(roads, i), "properties");
		JsonbContainer *flags = aj_param_array(p, "kpi_flags");

		appendStringInfo(b, "<tr><td>%d</td><td style=\"text-align:left\">", i + 1);
		aj_html_text(b, aj_param_text(p, "to", ""));
		appendStringInfo(b, "</td><td style=\"text-align:left\">%s</td><td>%s</td><td>%.1f</td><td>%.1f</td><td>%s</td><td>%s</td><td style=\"text-align:left;white-space:normal\">",
						 aj_param_text(p, "road_class", ""),
						 aj_html_number(number(p, "length_m"), 0),
						 number(p, "max_grade_pct"), number(p, "avg_grade_pct"),
						 aj_html_number(number(p, "cut_m3"), 0),
						 aj_html_number(number(p, "fill_m3"), 0));
		for (int k = 0; flags && k < (int) JsonContainerSize(flags); k++)
		{
			JsonbValue *v = getIthJsonbValueFromContainer(flags, k);
			char	   *word = pnstrdup(v->val.string.val, v->val.string.len);

			appendStringInfo(b, "%s%s", k ? "; " : "",
							 strcmp(word, "step_at_pad") == 0 ?
							 psprintf("%.1f m step at the pad", fabs(number(p, "pad_step_m"))) :
							 strcmp(word, "side_slope_open") == 0 ?
							 "hillside too steep for the side slope in places" :
							 "steeper than allowed");
		}
		appendStringInfoString(b, "</td></tr>\n");
	}
	appendStringInfoString(b, "</tbody></table></div></section>\n");
}

static void
write_notes(StringInfo b, const Report *r)
{
	const AjSiteGrid *g = r->grid;
	JsonbContainer *p = r->parameters;

	appendStringInfoString(b, "<section><h2>Inputs and assumptions</h2><table class=\"plain\"><tbody>");
	aj_html_row(b, "Site", g->site->name);
	aj_html_row(b, "Elevation model", psprintf("%s, cells of about %.0f m, analysed on a grid of %.4g m",
											   g->dem_name, g->dem_cell_m, g->cell_m));
	aj_html_row(b, "Roads", psprintf("%.4g m wide, at most %.4g %% along the road, profile averaged over %.4g m",
									 number(p, "road_width_m"), number(p, "max_road_grade_pct"),
									 number(p, "road_smoothing_m")));
	aj_html_row(b, "Side slopes", psprintf("cut %.4g : 1, fill %.4g : 1 (horizontal to vertical)",
										   number(p, "batter_cut"), number(p, "batter_fill")));
	aj_html_row(b, "Soil", psprintf("a cubic metre in place is %.4g loose and %.4g compacted",
									number(p, "swell"), number(p, "shrink")));
	aj_html_row(b, "Coordinates", psprintf("WGS 84; distances on the ground, UTM zone %d%c",
										   g->zone, g->south ? 'S' : 'N'));
	appendStringInfoString(b, "</tbody></table><ul class=\"notes\">"
						   "<li>Capacities are footprints times a density for each type, not an electrical design.</li>"
						   "<li>Pads lie at the height where their cut, compacted, makes their fill.</li>"
						   "<li>Roads: cheapest ways over 16 neighbours of each cell, with the grade along the road (Takahashi and Matsuyama 1980 for the network); no curve radii: where the road winds up a hillside, bends are to be designed.</li>"
						   "<li>Volumes by average end areas every 5 m; where roads meet, half a width is counted twice.</li>"
						   "<li>The elevation model sees no more than its cells: survey the ground before earthwork is tendered.</li>"
						   "</ul></section>\n");
}

static StringInfo
render(Report *r)
{
	StringInfo	b = makeStringInfo();

	write_head(b, r);
	write_maps(b, r);
	write_variants(b, r);
	write_earthwork(b, r);
	write_rules(b, r);
	write_profiles(b, r);
	write_assets(b, r);
	write_notes(b, r);
	aj_html_end(b, "Computed by asyncjob inside PostgreSQL. A first estimate for planning; not a substitute for a survey and a civil design.");
	return b;
}

/*
 * step_site_report(input jsonb) returns jsonb
 *
 * The output is that of the step before, so that it is the job's result.
 */
Datum
aj_step_site_report(PG_FUNCTION_ARGS)
{
	Jsonb	   *arg = PG_GETARG_JSONB_P_COPY(0);
	Report		r = {0};
	StringInfo	html;
	StringInfoData b;

	read_input(arg, &r);
	aj_progress(0.6, "writing the report");
	html = render(&r);
	aj_artifact("report.html", "site_layout_report", "text/html", html->data,
				html->len);
	initStringInfo(&b);
	JsonbToCString(&b, r.out, -1);
	b.data[--b.len] = '\0';
	appendStringInfoString(&b, ",\"report\":\"report.html\"}");
	aj_progress(1.0, "report written");
	PG_RETURN_JSONB_P(aj_jsonb_from_text(b.data));
}

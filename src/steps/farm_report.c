/*-------------------------------------------------------------------------
 *
 * farm_report.c
 *		Reports of the single pipelines of a wind farm.
 *
 * A full analysis ends with report_step.c's; these stand alone and share its
 * sections.  They are written by the step itself, whose results are at hand.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "html.h"
#include "layout_step.h"
#include "report_svg.h"

#include <math.h>

#include "utils/builtins.h"
#include "utils/numeric.h"

/* ---- sections ---- */

void
aj_report_ground(StringInfo b, const AjSiteGrid *g)
{
	appendStringInfoString(b, "<section><h2>Ground that is not buildable</h2><table class=\"plain\"><thead><tr><th>Reason</th><td>ha</td><td>for this reason alone</td></tr></thead><tbody>");
	for (int bit = 0; bit < AJ_REASON_ZONE_SHIFT + g->nzone_types; bit++)
	{
		double		area,
					alone;

		if ((1U << bit) == AJ_REASON_OUTSIDE ||
			(bit > 4 && bit < AJ_REASON_ZONE_SHIFT))
			continue;
		aj_area_lost(g, 1U << bit, &area, &alone);
		if (area <= 0)
			continue;
		appendStringInfoString(b, "<tr><th>");
		switch (1U << bit)
		{
			case AJ_REASON_NODATA:
				appendStringInfoString(b, "No elevation known");
				break;
			case AJ_REASON_BOUNDARY_SETBACK:
				appendStringInfo(b, "Within %.4g m of the boundary",
								 g->boundary_setback_m);
				break;
			case AJ_REASON_SLOPE:
				appendStringInfo(b, "Steeper than %.4g&deg;", g->max_slope_deg);
				break;
			case AJ_REASON_SMALL_PATCH:
				appendStringInfo(b, "Patch smaller than %.6g m&sup2;",
								 g->min_patch_m2);
				break;
			default:
				appendStringInfoString(b, "Zone: ");
				aj_html_text(b, g->zone_types[bit - AJ_REASON_ZONE_SHIFT]);
		}
		appendStringInfo(b, "</th><td>%s</td><td>%s</td></tr>",
						 aj_html_number(area / 1e4, 1), aj_html_number(alone / 1e4, 1));
	}
	appendStringInfoString(b, "</tbody></table></section>");
}

void
aj_report_map(StringInfo b, const AjReport *r, const char *title)
{
	const AjSiteGrid *g = r->grid;

	appendStringInfo(b, "<section><h2>%s</h2>", title);
	appendStringInfoString(b, "<div class=\"scroll\">");
	aj_svg_map(b, r);
	appendStringInfoString(b, "</div><ul class=\"key\">");
	for (int t = 0; r->pos->n > 0 && t < Max(r->farm.ntypes, 1); t++)
	{
		appendStringInfo(b, "<li><i class=\"dot\" style=\"background:%s\"></i>", aj_turbine_color(t));
		if (r->farm.ntypes > 1)
			aj_html_text(b, r->farm.types[t]->name);
		else
			appendStringInfoString(b, "Turbine");
		appendStringInfoString(b, "</li>");
	}
	aj_svg_key(b, g);
	appendStringInfoString(b, "</ul></section>\n");
}

static double
at(JsonbContainer *c, const char *key)
{
	return c ? aj_param_number(c, key, NAN, -INFINITY, INFINITY) : NAN;
}

char *
aj_turbine_cell(const AjFarmInput *farm, int type)
{
	StringInfoData b;

	if (farm->ntypes < 2)
		return "";
	initStringInfo(&b);
	appendStringInfoString(&b, "</td><td>");
	aj_html_text(&b, farm->types[type]->name);
	return b.data;
}

void
aj_report_turbine_rows(StringInfo b, const AjFarmInput *farm,
					   const AjPositions *pos, bool hub)
{
	int			count[AJ_MAX_TURBINE_TYPES];

	aj_positions_count(pos, count);
	for (int i = 0; i < farm->ntypes; i++)
	{
		const AjTurbine *t = farm->types[i];
		char	   *text = psprintf("%s: %.6g kW, rotor %.4g m", t->name, t->rated_kw, t->rotor_diameter_m);

		if (hub || farm->ntypes > 1)
			text = psprintf("%s, hub %.4g m", text, t->hub_height_m);
		if (farm->ntypes > 1)
			text = psprintf("%d x %s", count[i], text);
		aj_html_row(b, "Turbine", text);
	}
}

void
aj_report_types(StringInfo b, JsonbContainer *sim)
{
	JsonbContainer *list = aj_param_array(sim, "types");

	if (list == NULL)
		return;
	appendStringInfoString(b, "<section><h2>Types of turbines</h2><div class=\"scroll\"><table><thead><tr><th>Type</th><th>Number</th><th>Capacity<br>MW</th>"
						   "<th>Rotor<br>m</th><th>Hub<br>m</th><th>Mean wind<br>m/s</th><th>Wake loss<br>%</th><th>Capacity<br>factor</th><th>Net energy<br>GWh/yr</th></tr></thead><tbody>\n");
	for (uint32 i = 0; i < JsonContainerSize(list); i++)
	{
		JsonbContainer *t = aj_item_object(list, i);

		appendStringInfoString(b, "<tr><td>");
		aj_html_text(b, aj_require_text(t, "turbine"));
		appendStringInfo(b, "</td><td>%.0f</td><td>%s</td><td>%.4g</td><td>%.4g</td><td>%s</td><td>%s</td><td>%s</td><td>%s</td></tr>\n",
						 at(t, "count"), aj_html_number(at(t, "capacity_kw") / 1000, 1), at(t, "rotor_diameter_m"), at(t, "hub_height_m"),
						 aj_html_number(at(t, "mean_speed_m_s"), 2), aj_html_number(at(t, "wake_loss_pct"), 2),
						 aj_html_number(at(t, "capacity_factor"), 3), aj_html_number(at(t, "net_aep_gwh"), 2));
	}
	appendStringInfoString(b, "</tbody></table></div></section>\n");
}

static void
place_line(StringInfo b, const AjSiteGrid *g)
{
	const AjSite *site = g->site;
	double		lon = 0.5 * (site->west + site->east);
	double		lat = 0.5 * (site->south + site->north);

	appendStringInfo(b, "<p>%.4f&deg; %c, %.4f&deg; %c &middot; site of %s ha, %s ha buildable</p></header>\n",
					 fabs(lat), lat < 0 ? 'S' : 'N', fabs(lon), lon < 0 ? 'W' : 'E',
					 aj_html_number(g->site_area_m2 / 1e4, 0), aj_html_number(g->buildable_area_m2 / 1e4, 0));
}

static char *
title_of(JsonbContainer *params, const char *what, const char *name)
{
	char	   *title = aj_param_text(params, "title", NULL);

	return title ? title : psprintf("%s %s", what, name);
}

/* Shares of a list as bars, labelled by one or two of its keys. */
static void
shares(StringInfo b, JsonbContainer *list, const char *about, const char *color)
{
	int			n = list ? (int) JsonContainerSize(list) : 0;
	const char **label = palloc(sizeof(char *) * Max(n, 1));
	double	   *share = palloc(sizeof(double) * Max(n, 1));
	AjChart		c;

	for (int i = 0; i < n; i++)
	{
		JsonbContainer *x = aj_item_object(list, i);
		double		from = at(x, "from_deg");
		double		to = at(x, "to_deg");

		label[i] = aj_param_text(x, "octant", NULL);
		if (label[i] == NULL)
			label[i] = isnan(to) ? psprintf("&gt; %.4g", from) : psprintf("%.4g&ndash;%.4g", from, to);
		share[i] = 100 * at(x, "share");
	}
	aj_chart_init(&c, about, "% of the site");
	c.scale = AJ_X_CATEGORIES;
	c.categories = label;
	c.ncategories = n;
	aj_chart_add(&c, AJ_MARK_BARS, NULL, color, n, NULL, share);
	aj_chart_draw(b, &c);
}

static void
site_inputs(StringInfo b, const AjSiteGrid *g)
{
	aj_html_row(b, "Site", g->site->name);
	aj_html_row(b, "Elevation model", psprintf("%s, cells of about %.0f m, analysed on a grid of %.4g m",
											   g->dem_name, g->dem_cell_m, g->cell_m));
	aj_html_row(b, "Coordinates", psprintf("WGS 84; distances on the ground, UTM zone %d%c", g->zone, g->south ? 'S' : 'N'));
	aj_html_row(b, "Buildable", psprintf("slope up to %.4g degrees, %.4g m from the boundary, patches of %.6g m\302\262 or more",
										 g->max_slope_deg, g->boundary_setback_m, g->min_patch_m2));
}

static void
store(const char *name, const char *kind, StringInfo b)
{
	aj_artifact(name, kind, "text/html", b->data, b->len);
}

/* ---- terrain ---- */

void
aj_terrain_report(JsonbContainer *params, AjSiteGrid *grid, AjSiteGrid *map,
				  const char *metrics, const void *slope_png, Size slope_len,
				  const void *suitability_png, Size suitability_len)
{
	StringInfo	b = makeStringInfo();
	JsonbContainer *m = &aj_jsonb_from_text(metrics)->root;
	AjPositions none = {0};
	AjReport	r = {0};

	none.true_north_deg = aj_grid_north(grid);
	r.grid = map;
	r.pos = &none;
	aj_html_begin(b, title_of(params, "Terrain of", grid->site->name));
	place_line(b, grid);
	appendStringInfoString(b, "<div class=\"figures\">");
	aj_html_figure(b, true, psprintf("%s <small>ha</small>", aj_html_number(grid->buildable_area_m2 / 1e4, 0)), "buildable");
	aj_html_figure(b, false, psprintf("%s <small>%%</small>", aj_html_number(100 * at(m, "buildable_share"), 1)), "of the site");
	aj_html_figure(b, false, psprintf("%s <small>m</small>", aj_html_number(at(aj_param_object(m, "elevation_m"), "mean"), 0)),
				   psprintf("mean elevation, %s to %s m", aj_html_number(at(aj_param_object(m, "elevation_m"), "min"), 0),
							aj_html_number(at(aj_param_object(m, "elevation_m"), "max"), 0)));
	aj_html_figure(b, false, psprintf("%s <small>&deg;</small>", aj_html_number(at(aj_param_object(m, "slope_deg"), "mean"), 1)),
				   psprintf("mean slope, at most %s&deg;", aj_html_number(at(aj_param_object(m, "slope_deg"), "max"), 0)));
	aj_html_figure(b, false, psprintf("%s <small>m</small>", aj_html_number(at(aj_param_object(m, "ruggedness_m"), "mean"), 1)),
				   "ruggedness (Riley)");
	aj_html_figure(b, false, psprintf("%s <small>%%</small>", aj_html_number(100 * at(aj_param_object(m, "rix"), "value"), 0)),
				   "ruggedness index RIX");
	appendStringInfoString(b, "</div>\n");
	aj_report_map(b, &r, "Site");
	appendStringInfoString(b, "<div class=\"two even\"><section><h2>Slope</h2>");
	aj_svg_values(b, grid, slope_png, slope_len, "Map of the slope");
	aj_site_ramp(b, AJ_PALETTE_SLOPE, "0&deg;", "30&deg; and more");
	appendStringInfoString(b, "</section><section><h2>Suitability</h2>");
	aj_svg_values(b, grid, suitability_png, suitability_len, "Map of the suitability");
	aj_site_ramp(b, AJ_PALETTE_SUITABILITY, "0", "1, well suited; grey: not buildable");
	appendStringInfoString(b, "</section></div>\n<div class=\"two even\"><section><h2>Area by slope, &deg;</h2>");
	shares(b, aj_param_array(m, "slope_histogram"), "Area by slope", "#357fab");
	appendStringInfoString(b, "</section><section><h2>Area by aspect</h2>");
	shares(b, aj_param_array(m, "aspect_octants"), "Area by direction of the slope", "#2b8a89");
	appendStringInfoString(b, "</section></div>\n<div class=\"two even\">");
	aj_report_ground(b, grid);
	appendStringInfoString(b, "<section><h2>Inputs and methods</h2><table class=\"plain\"><tbody>");
	site_inputs(b, grid);
	aj_html_row(b, "Slope", grid->slope_method == AJK_SLOPE_HORN ? "Horn 1981" : "Zevenbergen and Thorne 1987");
	if (map != grid)
		aj_html_row(b, "Map", psprintf("an overview with cells of %.4g m; all figures are those of the grid of %.4g m",
									   map->cell_m, grid->cell_m));
	appendStringInfoString(b, "</tbody></table></section></div>\n");
	aj_html_end(b, "Computed by asyncjob inside PostgreSQL. Maps with world files and GeoJSON stand beside this report.");
	store("terrain_report.html", "terrain_report", b);
}

/* ---- layout ---- */

/* How the search went, of one start or several, and what each came to */
static void
search_section(StringInfo b, JsonbContainer *m)
{
	static const char *const colors[AJ_CHART_SERIES] = {
		"#0b3954", "#d1495b", "#2b8a89", "#d98e04", "#7b2d8b", "#5c677d", "#8c564b", "#357fab"
	};
	JsonbContainer *starts = aj_param_array(m, "starts");
	int			n = starts ? (int) JsonContainerSize(starts) : 1;
	AjChart		c;

	aj_chart_init(&c, "Energy of the best layout by places tried", "GWh/yr");
	c.x_title = "places tried, thousands";
	c.x_min = 0;
	for (int i = 0; i < Min(n, AJ_CHART_SERIES); i++)
	{
		JsonbContainer *s = starts ? aj_item_object(starts, i) : m;
		JsonbContainer *trace = aj_param_array(s, "convergence");
		int			points = trace ? (int) JsonContainerSize(trace) : 0;
		double	   *x = palloc(sizeof(double) * Max(points, 1));
		double	   *y = palloc(sizeof(double) * Max(points, 1));

		for (int k = 0; k < points; k++)
		{
			JsonbContainer *pair = aj_item_array(trace, k);

			x[k] = aj_item_number(pair, 0) / 1000;
			y[k] = aj_item_number(pair, 1);
		}
		/* the first steps are so long that nothing else would be seen */
		while (points > 8 && x[0] < 0.05 * x[points - 1])
		{
			x++;
			y++;
			points--;
		}
		if (points > 1)
			aj_chart_add(&c, AJ_MARK_LINE, starts ? psprintf("seed %.0f", at(s, "seed")) : NULL, colors[i], points, x, y);
	}
	if (c.nseries == 0)
		return;
	appendStringInfoString(b, starts ? "<div class=\"two even\"><section><h2>Search</h2>" : "<section><h2>Search</h2>");
	c.wide = starts == NULL;
	aj_chart_draw(b, &c);
	appendStringInfoString(b, "<p class=\"muted\">The best layout so far, by the search's own estimate of its energy.");
	if (n > AJ_CHART_SERIES)
		appendStringInfo(b, " The first %d starts of %d.", AJ_CHART_SERIES, n);
	appendStringInfoString(b, "</p></section>");
	if (starts)
	{
		appendStringInfoString(b, "<section><h2>Starts</h2><div class=\"scroll\"><table><thead><tr><th>Seed</th><th>Energy<br>GWh/yr</th><th>Gained<br>%</th><th>Places tried</th><th>Converged</th></tr></thead><tbody>");
		for (int i = 0; i < n; i++)
		{
			JsonbContainer *s = aj_item_object(starts, i);
			bool		taken = at(s, "seed") == at(m, "seed");

			appendStringInfo(b, "<tr><td>%s%.0f%s</td><td>%s</td><td>%s</td><td>%s</td><td>%s</td></tr>", taken ? "<b>" : "", at(s, "seed"),
							 taken ? "</b>, taken" : "", aj_html_number(at(s, "aep_end_gwh"), 3), aj_html_number(at(s, "improvement_pct"), 2),
							 aj_html_number(at(s, "evaluations"), 0), aj_param_bool(s, "converged", false) ? "yes" : "no");
		}
		appendStringInfoString(b, "</tbody></table></div></section></div>");
	}
	appendStringInfoChar(b, '\n');
}

void
aj_layout_report(JsonbContainer *params, AjSiteGrid *grid,
				 const AjFarmInput *farm, Jsonb *output)
{
	StringInfo	b = makeStringInfo();
	JsonbContainer *m = aj_require_object(&output->root, "metrics");
	AjReport	r = {0};

	r.grid = grid;
	r.farm = *farm;
	r.pos = aj_positions_parse(&output->root);
	aj_turbine_assign(r.pos, &r.farm);
	farm = &r.farm;				/* without types that no turbine is of */
	r.layout = m;
	aj_html_begin(b, title_of(params, "Wind farm layout", grid->site->name));
	place_line(b, grid);
	appendStringInfoString(b, "<div class=\"figures\">");
	aj_html_figure(b, true, psprintf("%s <small>GWh/yr</small>", aj_html_number(at(m, "aep_end_gwh"), 1)), "with wakes, before other losses");
	aj_html_figure(b, false, psprintf("%d", r.pos->n), "turbines");
	aj_html_figure(b, false, psprintf("%s <small>MW</small>", aj_html_number(at(m, "total_capacity_kw") / 1000, 1)), "installed capacity");
	aj_html_figure(b, false, psprintf("%s <small>%%</small>", aj_html_number(at(m, "improvement_pct"), 2)), "gained over a regular grid");
	aj_html_figure(b, false, psprintf("%s <small>m</small>", aj_html_number(at(m, "min_spacing_m"), 0)),
				   psprintf("smallest spacing, required %s m", aj_html_number(at(m, "required_spacing_m"), 0)));
	if (r.farm.ntypes > 1)
		aj_html_figure(b, false, psprintf("%d", r.farm.ntypes), "types of turbines");
	else
		aj_html_figure(b, false, psprintf("%s <small>m</small>", aj_html_number(farm->turbine->rotor_diameter_m, 0)),
					   psprintf("rotor, hub at %s m", aj_html_number(farm->turbine->hub_height_m, 0)));
	appendStringInfoString(b, "</div>\n");
	aj_report_map(b, &r, "Layout");
	appendStringInfo(b, "<section class=\"long\"><h2>Turbines</h2><div class=\"scroll\"><table><thead><tr><th>No.</th>%s<th>Longitude</th><th>Latitude</th>"
					 "<th>Elevation<br>m</th><th>Slope<br>&deg;</th><th>Clearance<br>m</th></tr></thead><tbody>\n", r.farm.ntypes > 1 ? "<th>Type</th>" : "");
	for (int i = 0; i < r.pos->n; i++)
	{
		int			type = r.pos->type ? r.pos->type[i] : 0;
		double		x,
					y;

		aj_site_xy(grid, r.pos->lon[i], r.pos->lat[i], &x, &y);
		appendStringInfo(b, "<tr><td>%d%s</td><td>%.6f</td><td>%.6f</td><td>%.0f</td><td>%.1f</td><td>%.0f</td></tr>\n", i + 1,
						 aj_turbine_cell(&r.farm, type), r.pos->lon[i], r.pos->lat[i], aj_site_elevation(grid, x, y), aj_site_slope(grid, x, y),
						 floor(aj_site_margin(grid, x, y, aj_layout_setback(params, &r.farm, type))));
	}
	appendStringInfoString(b, "</tbody></table></div><p class=\"muted\">Clearance: metres to spare beyond the boundary setback and the nearest zone's buffer.</p></section>\n");
	search_section(b, m);
	appendStringInfoString(b, "<div class=\"two even\">");
	aj_report_ground(b, grid);
	appendStringInfoString(b, "<section><h2>Inputs</h2><table class=\"plain\"><tbody>");
	site_inputs(b, grid);
	aj_html_row(b, "Wind resource", farm->wind->source ? psprintf("%s (%s)", farm->wind->name, farm->wind->source) : farm->wind->name);
	if (r.farm.ntypes > 1)
		aj_report_turbine_rows(b, &r.farm, r.pos, true);
	else
		aj_html_row(b, "Turbine", psprintf("%s: %.6g kW", farm->turbine->name, farm->turbine->rated_kw));
	aj_html_row(b, "Wake model", aj_param_text(m, "wake_model", ""));
	aj_html_row(b, "Search", psprintf("seed %.0f, %.0f moves evaluated, %s", at(m, "seed"), at(m, "evaluations"),
									  aj_param_bool(m, "converged", false) ? "converged" : "still improving when the budget was used up"));
	appendStringInfoString(b, "</tbody></table></section></div>\n");
	aj_html_end(b, "Computed by asyncjob inside PostgreSQL. A first estimate for planning; not a certified energy assessment.");
	store("layout_report.html", "layout_report", b);
}

/* ---- simulation ---- */

void
aj_simulation_report(JsonbContainer *params, const AjFarmInput *farm,
					 AjPositions *pos, const AjFlowRaster *flow, Jsonb *output)
{
	StringInfo	b = makeStringInfo();
	JsonbContainer *s = &output->root;
	JsonbContainer *turbines = aj_require_array(s, "turbines");
	JsonbContainer *directions = aj_param_array(s, "directions");
	AjReport	r = {0};
	double		most = 0;

	r.farm = *farm;
	r.pos = pos;
	r.sim = s;
	aj_html_begin(b, title_of(params, "Wind farm energy,", farm->wind->name));
	appendStringInfo(b, "<p>%d turbines%s ", pos->n, farm->ntypes > 1 ? ":" : "");
	aj_html_text(b, aj_param_text(s, "turbine", ""));
	if (farm->ntypes == 1)
		appendStringInfo(b, ", hub at %.4g m", farm->turbine->hub_height_m);
	appendStringInfoString(b, "</p></header>\n<div class=\"figures\">");
	aj_html_figure(b, true, psprintf("%s <small>GWh/yr</small>", aj_html_number(at(s, "net_aep_gwh"), 1)), "net energy, after all losses");
	aj_html_figure(b, false, psprintf("%s <small>GWh/yr</small>", aj_html_number(at(s, "net_aep_p90_gwh"), 1)),
				   psprintf("P90 at %.4g %% uncertainty", at(s, "uncertainty_pct")));
	aj_html_figure(b, false, psprintf("%s <small>MW</small>", aj_html_number(at(s, "total_capacity_kw") / 1000, 1)), "installed capacity");
	aj_html_figure(b, false, psprintf("%s <small>%%</small>", aj_html_number(100 * at(s, "capacity_factor"), 1)), "net capacity factor");
	aj_html_figure(b, false, psprintf("%s <small>%%</small>", aj_html_number(at(s, "wake_loss_pct"), 2)), "wake loss");
	aj_html_figure(b, false, psprintf("%s <small>m/s</small>", aj_html_number(at(s, "mean_speed_m_s"), 2)), "mean wind at hub height");
	appendStringInfoString(b, "</div>\n<div class=\"two\"><section><h2>Wind at hub height</h2>");
	aj_svg_wind_rose(b, &r);
	appendStringInfoString(b, "</section><section><h2>Energy per year</h2>");
	aj_svg_energy(b, &r);
	if (directions && JsonContainerSize(directions) > 1)
	{
		int			n = JsonContainerSize(directions);
		double	   *x = palloc(sizeof(double) * (n + 1));
		double	   *y = palloc(sizeof(double) * (n + 1));
		AjChart		c;

		for (int i = 0; i < n; i++)
		{
			JsonbContainer *d = aj_item_object(directions, i);

			x[i] = at(d, "direction_deg");
			y[i] = at(d, "wake_loss_pct");
		}
		x[n] = x[0] + 360;		/* north once more */
		y[n] = y[0];
		aj_chart_init(&c, "Wake loss by direction of the wind", "Wake loss, %");
		c.x_title = "wind from, &deg;";
		c.x_min = 0;
		c.x_max = 360;
		c.x_step = 60;
		c.y_min = 0;
		aj_chart_add(&c, AJ_MARK_LINE, NULL, "#d1495b", n + (x[n] <= 360), x, y);
		appendStringInfoString(b, "<h3>Wake loss by direction</h3>");
		aj_chart_draw(b, &c);
	}
	appendStringInfoString(b, "</section></div>\n");
	aj_report_types(b, s);
	if (flow)
		aj_report_flow(b, flow, pos, NULL);
	appendStringInfo(b, "<section class=\"long\"><h2>Turbines</h2><div class=\"scroll\"><table><thead><tr><th>No.</th>%s"
					 "<th>Wake loss<br>%%</th><th></th><th>Capacity<br>factor</th><th>Net energy<br>GWh/yr</th></tr></thead><tbody>\n",
					 farm->ntypes > 1 ? "<th>Type</th>" : "");
	for (uint32 i = 0; i < JsonContainerSize(turbines); i++)
		most = Max(most, at(aj_item_object(turbines, i), "wake_loss_pct"));
	for (uint32 i = 0; i < JsonContainerSize(turbines); i++)
	{
		JsonbContainer *t = aj_item_object(turbines, i);
		double		loss = at(t, "wake_loss_pct");

		appendStringInfo(b, "<tr><td>%u%s</td><td>%s</td><td class=\"bar\"><i style=\"width:%.1f%%\"></i></td><td>%s</td><td>%s</td></tr>\n",
						 i + 1, aj_turbine_cell(farm, pos->type ? pos->type[i] : 0), aj_html_number(loss, 2), most > 0 && loss > 0 ? 100 * loss / most : 0,
						 aj_html_number(at(t, "capacity_factor"), 3), aj_html_number(at(t, "net_aep_gwh"), 2));
	}
	appendStringInfoString(b, "</tbody></table></div></section>\n<div class=\"two even\"><section><h2>Inputs</h2><table class=\"plain\"><tbody>");
	aj_html_row(b, "Wind resource", farm->wind->source ? psprintf("%s (%s)", farm->wind->name, farm->wind->source) : farm->wind->name);
	aj_report_turbine_rows(b, farm, pos, false);
	aj_html_row(b, "Wake model", psprintf("%s, superposition %s", aj_param_text(s, "wake_model", ""), aj_param_text(s, "superposition", "")));
	aj_html_row(b, "Losses", psprintf("availability %.4g %%, electrical %.4g %%, other %.4g %%", at(s, "availability_loss_pct"),
									  at(s, "electrical_loss_pct"), at(s, "other_loss_pct")));
	appendStringInfoString(b, "</tbody></table></section><section><h2>Assumptions</h2><ul class=\"notes\">");
	aj_html_notes(b, aj_param_array(s, "assumptions"));
	appendStringInfoString(b, "</ul></section></div>\n");
	aj_html_end(b, "Computed by asyncjob inside PostgreSQL. A first estimate for planning; not a certified energy assessment.");
	store("simulation_report.html", "simulation_report", b);
}

/* ---- wind resource ---- */

static void
mean_bars(StringInfo b, JsonbContainer *s, const char *key, const char *title,
		  const char *const *label, int n)
{
	JsonbContainer *list = aj_param_array(s, key);
	double	   *v = palloc(sizeof(double) * n);
	AjChart		c;

	if (list == NULL || (int) JsonContainerSize(list) != n)
		return;
	for (int i = 0; i < n; i++)
	{
		JsonbValue *x = getIthJsonbValueFromContainer(list, i);

		/* null where the series has none of that month or hour */
		v[i] = x->type == jbvNumeric ?
			DatumGetFloat8(DirectFunctionCall1(numeric_float8, NumericGetDatum(x->val.numeric))) : NAN;
	}
	aj_chart_init(&c, title, "m/s");
	c.scale = AJ_X_CATEGORIES;
	c.categories = label;
	c.ncategories = n;
	aj_chart_add(&c, AJ_MARK_BARS, NULL, "#357fab", n, NULL, v);
	appendStringInfo(b, "<section><h2>%s</h2>", title);
	aj_chart_draw(b, &c);
	appendStringInfoString(b, "</section>");
}

void
aj_report_wind_means(StringInfo b, JsonbContainer *wind)
{
	static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
	static const char *const hours[] = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15",
	"16", "17", "18", "19", "20", "21", "22", "23"};

	if (!aj_param_exists(wind, "monthly_mean_speed_m_s"))
		return;
	appendStringInfoString(b, "<div class=\"two even\">");
	mean_bars(b, wind, "monthly_mean_speed_m_s", "Mean speed by month", months, 12);
	mean_bars(b, wind, "hourly_mean_speed_m_s", "Mean speed by hour (UTC)", hours, 24);
	appendStringInfoString(b, "</div>\n");
}

void
aj_wind_resource_report(JsonbContainer *params, Jsonb *output)
{
	StringInfo	b = makeStringInfo();
	JsonbContainer *s = &output->root;
	JsonbContainer *fit = aj_param_object(s, "weibull");
	JsonbContainer *quality = aj_param_object(s, "quality");
	JsonbContainer *definition = aj_param_object(s, "definition");
	JsonbContainer *sectors = aj_require_array(s, "sectors");
	JsonbContainer *hub = aj_param_object(s, "at_hub_height");
	char	   *name;
	AjReport	r = {0};

	/* the wind may be an object, which need not have a name */
	r.farm.wind = definition ? aj_wind_parse(definition, aj_param_text(params, "series", "series")) : aj_wind_get(params, "wind");
	name = r.farm.wind->name;
	r.farm.shear_factor = 1;
	aj_html_begin(b, title_of(params, "Wind resource", name));
	appendStringInfoString(b, "<p>");
	if (quality && aj_param_text(quality, "from", NULL))
		appendStringInfo(b, "%.10s to %.10s &middot; ", aj_param_text(quality, "from", ""), aj_param_text(quality, "to", ""));
	if (quality)
		appendStringInfo(b, "%s of %s records", aj_html_number(at(quality, "valid"), 0), aj_html_number(at(quality, "records"), 0));
	if (r.farm.wind->height_m > 0)
		appendStringInfo(b, "%sat %.4g m", quality ? " &middot; " : "", r.farm.wind->height_m);
	appendStringInfoString(b, "</p></header>\n<div class=\"figures\">");
	aj_html_figure(b, true, psprintf("%s <small>m/s</small>", aj_html_number(at(s, "mean_speed_m_s"), 2)), "mean wind speed");
	aj_html_figure(b, false, psprintf("%s <small>W/m&sup2;</small>", aj_html_number(at(s, "power_density_w_m2"), 0)), "power density");
	if (fit)
	{
		aj_html_figure(b, false, psprintf("%s <small>m/s</small>", aj_html_number(at(fit, "a_m_s"), 2)), "Weibull A");
		aj_html_figure(b, false, aj_html_number(at(fit, "k"), 2), "Weibull k");
		aj_html_figure(b, false, psprintf("%s <small>%%</small>", aj_html_number(100 * at(fit, "power_ratio"), 1)), "energy of the fit over the energy measured");
	}
	if (quality)
		aj_html_figure(b, false, psprintf("%s <small>%%</small>", aj_html_number(at(quality, "recovery_pct"), 1)), "recovery");
	appendStringInfoString(b, "</div>\n<div class=\"two\"><section><h2>Wind rose</h2>");
	aj_svg_wind_rose(b, &r);
	appendStringInfoString(b, "</section><section><h2>Sectors</h2><div class=\"scroll\"><table><thead><tr><th>From<br>&deg;</th><th>Share<br>%</th><th>Mean<br>m/s</th>"
						   "<th>A<br>m/s</th><th>k</th><th>Energy<br>%</th></tr></thead><tbody>");
	for (uint32 i = 0; i < JsonContainerSize(sectors); i++)
	{
		JsonbContainer *x = aj_item_object(sectors, i);

		appendStringInfo(b, "<tr><td>%s</td><td>%s</td><td>%s</td><td>%s</td><td>%s</td><td>%s</td></tr>", aj_html_number(at(x, "direction_deg"), 0),
						 aj_html_number(100 * at(x, "frequency"), 1), aj_html_number(at(x, "mean_speed_m_s"), 2), aj_html_number(at(x, "weibull_a_m_s"), 2),
						 aj_html_number(at(x, "weibull_k"), 2), aj_html_number(100 * at(x, "energy_share"), 1));
	}
	appendStringInfoString(b, "</tbody></table></div></section></div>\n");
	aj_report_wind_means(b, s);
	appendStringInfoString(b, "<section><h2>Inputs and notes</h2><table class=\"plain\"><tbody>");
	aj_html_row(b, "Source", r.farm.wind->source ? r.farm.wind->source : r.farm.wind->name);
	aj_html_row(b, "Shear exponent", isnan(r.farm.wind->shear_alpha) ? "not known" : psprintf("%.4g", r.farm.wind->shear_alpha));
	aj_html_row(b, "Turbulence intensity", psprintf("%.3g", r.farm.wind->turbulence_intensity));
	if (hub)
		aj_html_row(b, "At hub height", psprintf("%.4g m: mean %.2f m/s, Weibull A %.2f m/s and k %.2f, %.0f W/m\302\262", at(hub, "height_m"),
												 at(hub, "mean_speed_m_s"), at(hub, "weibull_a_m_s"), at(hub, "weibull_k"), at(hub, "power_density_w_m2")));
	if (aj_param_exists(s, "air_density_kg_m3"))
		aj_html_row(b, "Air density", psprintf("%.4g kg/m\302\263, %s", at(s, "air_density_kg_m3"), aj_param_text(s, "air_density_from", "")));
	appendStringInfoString(b, "</tbody></table><ul class=\"notes\">");
	if (fit)
		appendStringInfo(b, "<li>Weibull distributions by %s.</li>", strcmp(aj_param_text(s, "weibull_method", "mle"), "mle") == 0 ?
						 "maximum likelihood" : "the Wind Atlas's method: the same mean cube, and as much time above the mean");
	aj_html_notes(b, aj_param_array(s, "warnings"));
	appendStringInfoString(b, "</ul></section>\n");
	aj_html_end(b, "Computed by asyncjob inside PostgreSQL from the series named above.");
	store("wind_resource_report.html", "wind_resource_report", b);
}

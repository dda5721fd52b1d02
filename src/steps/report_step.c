/*-------------------------------------------------------------------------
 *
 * report_step.c
 *		The report step: one HTML file about a wind farm.
 *
 * The figures are those of the layout and simulation steps; what is drawn
 * of the ground comes from the site's grid, loaded again with the same
 * parameters.
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

/* Of the map of the wakes, which the browser smooths */
#define REPORT_CELLS 12000

PG_FUNCTION_INFO_V1(aj_step_report);
PG_FUNCTION_INFO_V1(aj_render_report);

/* ---- reading ---- */

static JsonbContainer *
need_step(const AjStepInput *input, const char *step)
{
	JsonbContainer *c = input->steps ? aj_step_output(input, step) : NULL;

	if (c == NULL)
		aj_step_error(AJ_ERRCODE_VALIDATION, "step_missing",
					  psprintf("the output of step \"%s\" is missing", step),
					  NULL,
					  "The report follows the steps \"layout\" and \"simulation\" of its pipeline.");
	return c;
}

static void
read_input(Jsonb *arg, AjReport *r)
{
	AjStepInput input;
	JsonbContainer *layout;
	AjSiteGridDefaults defaults;

	memset(r, 0, sizeof(*r));
	aj_step_input(arg, &input);
	r->params = input.params;
	layout = need_step(&input, "layout");
	r->sim = need_step(&input, "simulation");
	r->layout = aj_param_object(layout, "metrics");
	r->wind = aj_step_output(&input, "wind_resource");
	r->pos = aj_positions_parse(layout);
	aj_farm_input(&input, AJK_WAKE_BASTANKHAH_2014, false, r->pos, &r->farm);
	defaults = aj_layout_defaults(&r->farm);
	r->grid = aj_site_grid_load(input.params, &defaults, 0, 0.6);
	r->title = aj_param_text(input.params, "title", NULL);
	if (r->title == NULL)
		r->title = psprintf("Wind farm %s", r->grid->site->name);
}

static double
sim_number(const AjReport *r, const char *key)
{
	return aj_require_number(r->sim, key, -INFINITY, INFINITY);
}

/* NaN where there is no energy that could be lost */
static double
wake_loss(const AjReport *r)
{
	return aj_param_number(r->sim, "wake_loss_pct", NAN, -INFINITY, INFINITY);
}

/* ---- writing ---- */

static void
write_head(StringInfo b, const AjReport *r)
{
	const AjSite *site = r->grid->site;
	double		lon = 0.5 * (site->west + site->east);
	double		lat = 0.5 * (site->south + site->north);

	aj_html_begin(b, r->title);
	appendStringInfoString(b, "<p>");
	aj_html_text(b, site->name);
	appendStringInfo(b, " &middot; %.4f&deg; %c, %.4f&deg; %c &middot; site of %s ha, %s ha buildable</p></header>\n",
					 fabs(lat), lat < 0 ? 'S' : 'N',
					 fabs(lon), lon < 0 ? 'W' : 'E',
					 aj_html_number(r->grid->site_area_m2 / 1e4, 0),
					 aj_html_number(r->grid->buildable_area_m2 / 1e4, 0));

	appendStringInfoString(b, "<div class=\"figures\">");
	aj_html_figure(b, true, psprintf("%s <small>GWh/yr</small>", aj_html_number(sim_number(r, "net_aep_gwh"), 1)),
				   "net energy, after all losses");
	aj_html_figure(b, false, psprintf("%d", r->pos->n), "turbines");
	aj_html_figure(b, false, psprintf("%s <small>MW</small>", aj_html_number(sim_number(r, "total_capacity_kw") / 1000, 1)),
				   "installed capacity");
	aj_html_figure(b, false, psprintf("%.1f <small>%%</small>", 100 * sim_number(r, "capacity_factor")),
				   "net capacity factor");
	aj_html_figure(b, false, psprintf("%s <small>%%</small>", aj_html_number(wake_loss(r), 2)),
				   "wake loss");
	aj_html_figure(b, false, psprintf("%s <small>GWh/yr</small>", aj_html_number(sim_number(r, "net_aep_p90_gwh"), 1)),
				   psprintf("P90 at %.4g %% uncertainty", sim_number(r, "uncertainty_pct")));
	appendStringInfoString(b, "</div>\n");
}

static void
write_wind_and_energy(StringInfo b, const AjReport *r)
{
	appendStringInfoString(b, "<div class=\"two\"><section><h2>Wind at hub height</h2>");
	aj_svg_wind_rose(b, r);
	appendStringInfo(b, "<p class=\"muted\">Share of the year per direction the wind blows from. Mean speed %.2f m/s at %.4g m.</p></section>",
					 sim_number(r, "mean_speed_m_s"),
					 r->farm.turbine->hub_height_m);

	appendStringInfoString(b, "<section><h2>Energy per year</h2>");
	aj_svg_energy(b, r);
	appendStringInfo(b, "<div class=\"scroll\"><table class=\"plain\"><tbody>"
					 "<tr><th>Gross, without wakes and losses</th><td>%s GWh</td></tr>"
					 "<tr><th>After wakes</th><td>%s GWh (wake loss %s %%)</td></tr>"
					 "<tr><th>Net, after all losses</th><td>%s GWh</td></tr>",
					 aj_html_number(sim_number(r, "gross_aep_gwh"), 2),
					 aj_html_number(sim_number(r, "wake_aep_gwh"), 2),
					 aj_html_number(wake_loss(r), 2),
					 aj_html_number(sim_number(r, "net_aep_gwh"), 2));
	appendStringInfo(b, "<tr><th>P75 / P90</th><td>%s / %s GWh</td></tr>",
					 aj_html_number(sim_number(r, "net_aep_p75_gwh"), 2),
					 aj_html_number(sim_number(r, "net_aep_p90_gwh"), 2));
	if (r->layout)
		appendStringInfo(b, "<tr><th>Gained by optimising</th><td>%.2f GWh (%.2f %%) over a regular grid, by the layout step's wake model %s</td></tr>",
						 aj_require_number(r->layout, "aep_end_gwh", 0, INFINITY) -
						 aj_require_number(r->layout, "aep_start_gwh", 0, INFINITY),
						 aj_param_number(r->layout, "improvement_pct", 0, -INFINITY, INFINITY),
						 aj_require_text(r->layout, "wake_model"));
	appendStringInfoString(b, "</tbody></table></div></section></div>\n");
}

static void
write_turbines(StringInfo b, const AjReport *r)
{
	JsonbContainer *list = aj_require_array(r->sim, "turbines");
	const AjSiteGrid *g = r->grid;
	double		most = 0;

	if ((int) JsonContainerSize(list) != r->pos->n)
		aj_step_error(AJ_ERRCODE_VALIDATION, "step_missing",
					  psprintf("layout has %d turbines, simulation has %u",
							   r->pos->n, JsonContainerSize(list)), NULL,
					  "Both must come from the same run of a pipeline.");
	for (int i = 0; i < r->pos->n; i++)
	{
		most = Max(most, aj_param_number(aj_item_object(list, i),
										 "wake_loss_pct", 0, -1, 100.001));
	}

	appendStringInfo(b, "<section class=\"long\"><h2>Turbines</h2><div class=\"scroll\"><table><thead><tr>"
					 "<th>No.</th>%s<th>Longitude</th><th>Latitude</th><th>Elevation<br>m</th><th>Slope<br>&deg;</th>"
					 "<th>Clearance<br>m</th><th>Wake loss<br>%%</th><th></th><th>Capacity<br>factor</th><th>Net energy<br>GWh/yr</th></tr></thead><tbody>\n",
					 r->farm.ntypes > 1 ? "<th>Type</th>" : "");
	for (int i = 0; i < r->pos->n; i++)
	{
		JsonbContainer *t = aj_item_object(list, i);
		double		loss = aj_param_number(t, "wake_loss_pct", 0, -1, 100.001);
		int			type = r->pos->type ? r->pos->type[i] : 0;
		double		x,
					y;

		aj_site_xy(g, r->pos->lon[i], r->pos->lat[i], &x, &y);
		appendStringInfo(b, "<tr><td>%d%s</td><td>%.6f</td><td>%.6f</td><td>%.0f</td><td>%.1f</td><td>%.0f</td>",
						 i + 1, aj_turbine_cell(&r->farm, type),
						 r->pos->lon[i], r->pos->lat[i],
						 aj_site_elevation(g, x, y), aj_site_slope(g, x, y),
						 floor(aj_site_margin(g, x, y, aj_layout_setback(r->params, &r->farm, type))));
		appendStringInfo(b, "<td>%.2f</td><td class=\"bar\"><i style=\"width:%.1f%%\"></i></td><td>%.3f</td><td>%.2f</td></tr>\n",
						 loss, most > 0 ? 100 * Max(loss, 0) / most : 0,
						 aj_require_number(t, "capacity_factor", 0, 2),
						 aj_require_number(t, "net_aep_gwh", 0, INFINITY));
	}
	appendStringInfo(b, "</tbody><tfoot><tr><td>All</td>%s<td></td><td></td><td></td><td></td><td></td><td>%s</td><td></td><td>%.3f</td><td>%s</td></tr></tfoot></table></div>"
					 "<p class=\"muted\">Clearance: metres to spare beyond the boundary setback and the nearest zone's buffer.</p></section>\n",
					 r->farm.ntypes > 1 ? "<td></td>" : "",
					 aj_html_number(wake_loss(r), 2),
					 sim_number(r, "capacity_factor"),
					 aj_html_number(sim_number(r, "net_aep_gwh"), 2));
}

static void
write_inputs(StringInfo b, const AjReport *r)
{
	const AjSiteGrid *g = r->grid;
	JsonbContainer *notes = aj_param_array(r->sim, "assumptions");

	appendStringInfoString(b, "<section><h2>Inputs and sources</h2><table class=\"plain\"><tbody>");
	aj_html_row(b, "Site", g->site->name);
	aj_html_row(b, "Elevation model", psprintf("%s, cells of about %.0f m, analysed on a grid of %.4g m",
											   g->dem_name, g->dem_cell_m, g->cell_m));
	aj_html_row(b, "Wind resource", r->farm.wind->source ?
				psprintf("%s (%s)", r->farm.wind->name, r->farm.wind->source) :
				r->farm.wind->name);
	aj_report_turbine_rows(b, &r->farm, r->pos, true);
	aj_html_row(b, "Coordinates", psprintf("WGS 84; distances on the ground, UTM zone %d%c",
										   g->zone, g->south ? 'S' : 'N'));
	aj_html_row(b, "Wake model", psprintf("%s, k = %.7g, superposition %s",
										  aj_require_text(r->sim, "wake_model"),
										  sim_number(r, "k"),
										  aj_require_text(r->sim, "superposition")));
	if (r->layout)
		aj_html_row(b, "Layout", psprintf("spacing at least %.4g m (found %.1f m), seed %.0f, %.0f moves evaluated, %s",
										  aj_require_number(r->layout, "required_spacing_m", 0, INFINITY),
										  aj_param_number(r->layout, "min_spacing_m", 0, 0, INFINITY),
										  aj_require_number(r->layout, "seed", 0, INFINITY),
										  aj_require_number(r->layout, "evaluations", 0, INFINITY),
										  aj_param_bool(r->layout, "converged", false) ?
										  "converged" : "still improving when the budget was used up"));
	appendStringInfoString(b, "</tbody></table></section></div>\n");

	appendStringInfoString(b, "<section><h2>Assumptions</h2><ul class=\"notes\">");
	aj_html_notes(b, notes);
	appendStringInfo(b, "<li>Losses after wakes: availability %.4g %%, electrical %.4g %%, other %.4g %%.</li>"
					 "<li>P75 and P90 take the error of the net energy to be normal with a standard deviation of %.4g %%.</li>"
					 "</ul></section>\n",
					 sim_number(r, "availability_loss_pct"),
					 sim_number(r, "electrical_loss_pct"),
					 sim_number(r, "other_loss_pct"),
					 sim_number(r, "uncertainty_pct"));
}

/* The wakes drawn again as the simulation did it, where it did */
static void
write_flow(StringInfo b, const AjReport *r, JsonbContainer *params)
{
	AjFlowParams flow = aj_flow_params(params);
	AjkFarm		farm = aj_farm(&r->farm, r->pos);
	AjkWind		climate;

	if (!(flow.resolution_m > 0))
		return;
	flow.max_cells = REPORT_CELLS;
	aj_farm_climate(&r->farm, &climate);
	aj_report_flow(b, aj_flow_compute(&flow, &farm, r->pos, &climate, 0.6, 0.95),
				   r->pos, r->grid);
}

static StringInfo
render(AjReport *r)
{
	StringInfo	b = makeStringInfo();

	write_head(b, r);
	aj_report_map(b, r, "Layout");
	write_wind_and_energy(b, r);
	aj_report_types(b, r->sim);
	if (r->wind)
		aj_report_wind_means(b, r->wind);
	write_flow(b, r, r->params);
	write_turbines(b, r);
	appendStringInfoString(b, "<div class=\"two\">");
	aj_report_ground(b, r->grid);
	write_inputs(b, r);
	aj_html_end(b, "Computed by asyncjob inside PostgreSQL. A first estimate for planning; not a substitute for measured wind and a certified energy assessment.");
	return b;
}

/*
 * render_report(input jsonb) returns text
 */
Datum
aj_render_report(PG_FUNCTION_ARGS)
{
	AjReport	r;
	StringInfo	html;

	read_input(PG_GETARG_JSONB_P(0), &r);
	html = render(&r);
	PG_RETURN_TEXT_P(cstring_to_text_with_len(html->data, html->len));
}

/*
 * step_report(input jsonb) returns jsonb
 */
Datum
aj_step_report(PG_FUNCTION_ARGS)
{
	static const char *const keys[] = {
		"total_capacity_kw", "gross_aep_gwh", "wake_aep_gwh", "net_aep_gwh",
		"wake_loss_pct", "capacity_factor", "net_aep_p75_gwh",
		"net_aep_p90_gwh", "mean_speed_m_s"
	};
	AjReport	r;
	StringInfo	html;
	StringInfoData b;

	read_input(PG_GETARG_JSONB_P(0), &r);
	aj_progress(0.6, "writing the report");
	html = render(&r);
	aj_artifact("report.html", "wind_farm_report", "text/html", html->data,
				html->len);

	initStringInfo(&b);
	appendStringInfo(&b, "{\"summary\":{\"turbine_count\":%d", r.pos->n);
	for (int i = 0; i < (int) lengthof(keys); i++)
	{
		appendStringInfo(&b, ",\"%s\":", keys[i]);
		aj_json_number(&b, strcmp(keys[i], "wake_loss_pct") == 0 ?
					   wake_loss(&r) : sim_number(&r, keys[i]), 6);
	}
	appendStringInfoString(&b, ",\"site\":");
	aj_json_string(&b, r.grid->site->name);
	appendStringInfoString(&b, ",\"site_area_m2\":");
	aj_json_number(&b, r.grid->site_area_m2, 0);
	appendStringInfoString(&b, ",\"buildable_area_m2\":");
	aj_json_number(&b, r.grid->buildable_area_m2, 0);
	appendStringInfo(&b, "},\"artifacts\":[\"report.html\"]}");
	aj_progress(1.0, "report written");
	PG_RETURN_JSONB_P(aj_jsonb_from_text(b.data));
}

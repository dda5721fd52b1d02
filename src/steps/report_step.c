/*-------------------------------------------------------------------------
 *
 * report_step.c
 *		The report step: one HTML file about a wind farm.
 *
 * The file holds everything it shows: styles, drawings as SVG, the hillshade
 * as a data URI.  No script, no network, readable on a phone and in print.
 * All text that came from users is escaped.
 *
 * The figures are those of the layout and simulation steps; what is drawn
 * of the ground comes from the site's grid, loaded again with the same
 * parameters.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "report_svg.h"

#include <math.h>

#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(aj_step_report);
PG_FUNCTION_INFO_V1(aj_render_report);

static const char *const style =
"*{box-sizing:border-box}"
"body{margin:0;background:#f3f5f7;color:#1d2733;font:16px/1.5 system-ui,-apple-system,\"Segoe UI\",Roboto,\"Helvetica Neue\",Arial,sans-serif}"
"main{max-width:1080px;margin:0 auto;padding:28px 20px 48px}"
"header p,.muted{color:#56636f}"
"h1{font-size:1.9rem;line-height:1.2;margin:0 0 .2em}"
"h2{font-size:1.2rem;margin:0 0 .7em}"
"header p{margin:0}"
"section{background:#fff;border:1px solid #dfe4e9;border-radius:8px;padding:20px;margin-top:20px}"
".figures{display:grid;grid-template-columns:repeat(6,minmax(0,1fr));gap:12px;margin-top:20px}"
".figures div{background:#fff;border:1px solid #dfe4e9;border-radius:8px;padding:14px 13px}"
".figures b{display:block;font-size:1.5rem;line-height:1.25;white-space:nowrap}.figures small{font-size:.82rem;font-weight:500}"
".figures span{color:#56636f;font-size:.86rem}"
".figures .lead{background:#0b3954;border-color:#0b3954;color:#fff}"
".figures .lead span{color:#cfe0ea}"
"svg{display:block;width:100%;height:auto;font-family:inherit}"
"svg text{fill:#1d2733}svg.map text{fill:inherit}"
"svg.map{border-radius:5px;background:#e8ecef}"
"svg.map text[fill=\"#fff\"]{fill:#fff}svg.map text[fill=\"#1d2733\"]{fill:#1d2733}"
".halo{paint-order:stroke;stroke:#fff;stroke-width:2.5px;stroke-linejoin:round}"
".key{list-style:none;display:flex;flex-wrap:wrap;gap:4px 18px;margin:14px 0 0;padding:0;font-size:.88rem}"
".key li{display:flex;align-items:center;gap:7px}"
".key i{display:inline-block;width:15px;height:15px;border-radius:3px;flex:none}"
".key i.toned{background:#c8463c;opacity:.55}"
".key i.dot{border-radius:50%}"
".key i.line{background:none;border:2.5px solid #1d2733}"
".key i.diamond{transform:rotate(45deg) scale(.72);border:2px solid #1d2733}"
".two{display:grid;grid-template-columns:minmax(0,5fr) minmax(0,7fr);gap:20px}"
".two section{margin-top:0}.two{margin-top:20px}"
".rose{max-width:360px;margin:0 auto}.bars{max-width:560px}"
".scroll{overflow-x:auto}"
"table{border-collapse:collapse;width:100%;font-size:.9rem;font-variant-numeric:tabular-nums}"
"th,td{padding:5px 10px;text-align:right;border-bottom:1px solid #e7ebef;white-space:nowrap}"
"th{font-weight:600;color:#56636f;vertical-align:bottom}"
"td:first-child,th:first-child{text-align:left}"
"tfoot td{font-weight:700;border-top:2px solid #1d2733;border-bottom:0}"
"td.bar{width:110px;padding-left:4px}td.bar i{display:block;height:10px;border-radius:2px;background:#6aa6c8}"
"table.plain td,table.plain th{text-align:left;white-space:normal}"
"table.plain th{width:38%;vertical-align:top}"
"ul.notes{margin:0;padding-left:1.2em}ul.notes li{margin:.3em 0}"
"footer{color:#56636f;font-size:.85rem;margin-top:22px}"
"@media (max-width:960px){.figures{grid-template-columns:repeat(3,minmax(0,1fr))}}"
"@media (max-width:540px){.figures{grid-template-columns:repeat(2,minmax(0,1fr))}}"
"@media (max-width:760px){.two{grid-template-columns:minmax(0,1fr)}main{padding:18px 12px 32px}section{padding:14px}svg.map{min-width:600px}h1{font-size:1.5rem}th,td{padding:5px 7px}}"
"@media print{@page{margin:14mm}body{background:#fff;font-size:12px}main{max-width:none;padding:0}"
"section,.figures div{break-inside:avoid;border-color:#bbb}section.long{break-inside:auto}tr{break-inside:avoid}"
".figures{grid-template-columns:repeat(3,1fr)}svg.map{max-height:165mm;min-width:0}.scroll{overflow:visible}"
"*{-webkit-print-color-adjust:exact;print-color-adjust:exact}}";

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
	AjSiteGridDefaults defaults = {0};

	memset(r, 0, sizeof(*r));
	aj_step_input(arg, &input);
	layout = need_step(&input, "layout");
	r->sim = need_step(&input, "simulation");
	r->layout = aj_param_object(layout, "metrics");
	r->pos = aj_positions_parse(layout);
	aj_farm_input(&input, AJK_WAKE_BASTANKHAH_2014, false, &r->farm);
	defaults.max_slope_deg = 15;
	defaults.boundary_setback_m = 0.5 * r->farm.turbine->rotor_diameter_m;
	r->grid = aj_site_grid_load(input.params, &defaults, 0, 0.7);
	r->title = aj_param_text(input.params, "title", NULL);
	if (r->title == NULL)
		r->title = psprintf("Wind farm %s", r->grid->site->name);
}

static double
sim_number(const AjReport *r, const char *key)
{
	return aj_require_number(r->sim, key, -INFINITY, INFINITY);
}

/* ---- writing ---- */

/* A number with blanks between thousands. */
static char *
grouped(double v, int decimals)
{
	char	   *plain = psprintf("%.*f", decimals, v);
	char	   *dot = strchr(plain, '.');
	int			whole = dot ? (int) (dot - plain) : (int) strlen(plain);
	StringInfoData b;

	initStringInfo(&b);
	for (int i = 0; plain[i]; i++)
	{
		if (i > 0 && i < whole && (whole - i) % 3 == 0 && plain[i - 1] != '-')
			appendStringInfoString(&b, "&#8239;");
		appendStringInfoChar(&b, plain[i]);
	}
	return b.data;
}

static void
figure(StringInfo b, const char *class, const char *value, const char *label)
{
	appendStringInfo(b, "<div%s><b>%s</b><span>%s</span></div>", class, value,
					 label);
}

static void
write_head(StringInfo b, const AjReport *r)
{
	const AjSite *site = r->grid->site;
	double		lon = 0.5 * (site->west + site->east);
	double		lat = 0.5 * (site->south + site->north);

	appendStringInfoString(b, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
						   "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">"
						   "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">"
						   "<title>");
	aj_html_text(b, r->title);
	appendStringInfo(b, "</title><style>%s</style></head>\n<body><main><header><h1>",
					 style);
	aj_html_text(b, r->title);
	appendStringInfoString(b, "</h1><p>");
	aj_html_text(b, site->name);
	appendStringInfo(b, " &middot; %.4f&deg; %c, %.4f&deg; %c &middot; site of %s ha, %s ha buildable</p></header>\n",
					 fabs(lat), lat < 0 ? 'S' : 'N',
					 fabs(lon), lon < 0 ? 'W' : 'E',
					 grouped(r->grid->site_area_m2 / 1e4, 0),
					 grouped(r->grid->buildable_area_m2 / 1e4, 0));

	appendStringInfoString(b, "<div class=\"figures\">");
	figure(b, " class=\"lead\"", psprintf("%s <small>GWh/yr</small>", grouped(sim_number(r, "net_aep_gwh"), 1)),
		   "net energy, after all losses");
	figure(b, "", psprintf("%d", r->pos->n), "turbines");
	figure(b, "", psprintf("%s <small>MW</small>", grouped(sim_number(r, "total_capacity_kw") / 1000, 1)),
		   "installed capacity");
	figure(b, "", psprintf("%.1f <small>%%</small>", 100 * sim_number(r, "capacity_factor")),
		   "net capacity factor");
	figure(b, "", psprintf("%.2f <small>%%</small>", sim_number(r, "wake_loss_pct")),
		   "wake loss");
	figure(b, "", psprintf("%s <small>GWh/yr</small>", grouped(sim_number(r, "net_aep_p90_gwh"), 1)),
		   psprintf("P90 at %.4g %% uncertainty", sim_number(r, "uncertainty_pct")));
	appendStringInfoString(b, "</div>\n");
}

static void
write_map(StringInfo b, const AjReport *r)
{
	const AjSiteGrid *g = r->grid;

	appendStringInfoString(b, "<section><h2>Layout</h2>");
	appendStringInfoString(b, "<div class=\"scroll\">");
	aj_svg_map(b, r);
	appendStringInfoString(b, "</div><ul class=\"key\"><li><i class=\"dot\" style=\"background:#0b3954\"></i>Turbine</li>"
						   "<li><i class=\"line\"></i>Site boundary</li>"
						   "<li><i class=\"toned\"></i>Not buildable: slope, setback or zone</li>");
	for (int i = 0; i < g->nzone_types; i++)
	{
		appendStringInfo(b, "<li><i style=\"background:%s;opacity:.75\"></i>",
						 aj_zone_color(i));
		aj_html_text(b, g->zone_types[i]);
		appendStringInfoString(b, " zone with its buffer</li>");
	}
	if (g->site->has_entry)
		appendStringInfoString(b, "<li><i class=\"diamond\" style=\"background:#f2c14e\"></i>Site entry</li>");
	appendStringInfoString(b, "</ul></section>\n");
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
					 "<tr><th>After wakes</th><td>%s GWh (wake loss %.2f %%)</td></tr>"
					 "<tr><th>Net, after all losses</th><td>%s GWh</td></tr>",
					 grouped(sim_number(r, "gross_aep_gwh"), 2),
					 grouped(sim_number(r, "wake_aep_gwh"), 2),
					 sim_number(r, "wake_loss_pct"),
					 grouped(sim_number(r, "net_aep_gwh"), 2));
	appendStringInfo(b, "<tr><th>P75 / P90</th><td>%s / %s GWh</td></tr>",
					 grouped(sim_number(r, "net_aep_p75_gwh"), 2),
					 grouped(sim_number(r, "net_aep_p90_gwh"), 2));
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
		JsonbValue *v = getIthJsonbValueFromContainer(list, i);

		most = Max(most, aj_param_number(v->val.binary.data, "wake_loss_pct",
										 0, -1, 100.001));
	}

	appendStringInfoString(b, "<section class=\"long\"><h2>Turbines</h2><div class=\"scroll\"><table><thead><tr>"
						   "<th>No.</th><th>Longitude</th><th>Latitude</th><th>Elevation<br>m</th><th>Slope<br>&deg;</th>"
						   "<th>Clearance<br>m</th><th>Wake loss<br>%</th><th></th><th>Capacity<br>factor</th><th>Net energy<br>GWh/yr</th></tr></thead><tbody>\n");
	for (int i = 0; i < r->pos->n; i++)
	{
		JsonbContainer *t = getIthJsonbValueFromContainer(list, i)->val.binary.data;
		double		loss = aj_param_number(t, "wake_loss_pct", 0, -1, 100.001);
		double		x,
					y;

		aj_site_xy(g, r->pos->lon[i], r->pos->lat[i], &x, &y);
		appendStringInfo(b, "<tr><td>%d</td><td>%.6f</td><td>%.6f</td><td>%.0f</td><td>%.1f</td><td>%.0f</td>",
						 i + 1, r->pos->lon[i], r->pos->lat[i],
						 aj_site_elevation(g, x, y), aj_site_slope(g, x, y),
						 floor(aj_site_margin(g, x, y, g->boundary_setback_m)));
		appendStringInfo(b, "<td>%.2f</td><td class=\"bar\"><i style=\"width:%.1f%%\"></i></td><td>%.3f</td><td>%.2f</td></tr>\n",
						 loss, most > 0 ? 100 * Max(loss, 0) / most : 0,
						 aj_require_number(t, "capacity_factor", 0, 2),
						 aj_require_number(t, "net_aep_gwh", 0, INFINITY));
	}
	appendStringInfo(b, "</tbody><tfoot><tr><td>All</td><td></td><td></td><td></td><td></td><td></td><td>%.2f</td><td></td><td>%.3f</td><td>%s</td></tr></tfoot></table></div>"
					 "<p class=\"muted\">Clearance: metres to spare beyond the boundary setback and the nearest zone's buffer.</p></section>\n",
					 sim_number(r, "wake_loss_pct"),
					 sim_number(r, "capacity_factor"),
					 grouped(sim_number(r, "net_aep_gwh"), 2));
}

static void
write_ground(StringInfo b, const AjReport *r)
{
	const AjSiteGrid *g = r->grid;

	appendStringInfoString(b, "<div class=\"two\"><section><h2>Ground that is not buildable</h2><table class=\"plain\"><thead><tr><th>Reason</th><td>ha</td><td>for this reason alone</td></tr></thead><tbody>");
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
						 grouped(area / 1e4, 1), grouped(alone / 1e4, 1));
	}
	appendStringInfoString(b, "</tbody></table></section>");
}

static void
row_text(StringInfo b, const char *label, const char *text)
{
	appendStringInfo(b, "<tr><th>%s</th><td>", label);
	aj_html_text(b, text);
	appendStringInfoString(b, "</td></tr>");
}

static void
write_inputs(StringInfo b, const AjReport *r)
{
	const AjSiteGrid *g = r->grid;
	const AjTurbine *t = r->farm.turbine;
	JsonbContainer *notes = aj_param_array(r->sim, "assumptions");

	appendStringInfoString(b, "<section><h2>Inputs and sources</h2><table class=\"plain\"><tbody>");
	row_text(b, "Site", g->site->name);
	row_text(b, "Elevation model", psprintf("%s, cells of about %.0f m, analysed on a grid of %.4g m",
											g->dem_name, g->dem_cell_m, g->cell_m));
	row_text(b, "Wind resource", r->farm.wind->source ?
			 psprintf("%s (%s)", r->farm.wind->name, r->farm.wind->source) :
			 r->farm.wind->name);
	row_text(b, "Turbine", psprintf("%s: %.6g kW, rotor %.4g m, hub %.4g m",
									t->name, t->rated_kw, t->rotor_diameter_m,
									t->hub_height_m));
	row_text(b, "Coordinates", psprintf("WGS 84; distances on the ground, UTM zone %d%c",
										g->zone, g->south ? 'S' : 'N'));
	row_text(b, "Wake model", psprintf("%s, k = %.7g, superposition %s",
									   aj_require_text(r->sim, "wake_model"),
									   sim_number(r, "k"),
									   aj_require_text(r->sim, "superposition")));
	if (r->layout)
		row_text(b, "Layout", psprintf("spacing at least %.4g m (found %.1f m), seed %.0f, %.0f moves evaluated, %s",
									   aj_require_number(r->layout, "required_spacing_m", 0, INFINITY),
									   aj_param_number(r->layout, "min_spacing_m", 0, 0, INFINITY),
									   aj_require_number(r->layout, "seed", 0, INFINITY),
									   aj_require_number(r->layout, "evaluations", 0, INFINITY),
									   aj_param_bool(r->layout, "converged", false) ?
									   "converged" : "still improving when the budget was used up"));
	appendStringInfoString(b, "</tbody></table></section></div>\n");

	appendStringInfoString(b, "<section><h2>Assumptions</h2><ul class=\"notes\">");
	for (uint32 i = 0; notes && i < JsonContainerSize(notes); i++)
	{
		JsonbValue *v = getIthJsonbValueFromContainer(notes, i);

		if (v->type != jbvString)
			continue;
		appendStringInfoString(b, "<li>");
		aj_html_text(b, pnstrdup(v->val.string.val, v->val.string.len));
		appendStringInfoString(b, "</li>");
	}
	appendStringInfo(b, "<li>Losses after wakes: availability %.4g %%, electrical %.4g %%, other %.4g %%.</li>"
					 "<li>P75 and P90 take the error of the net energy to be normal with a standard deviation of %.4g %%.</li>"
					 "</ul></section>\n",
					 sim_number(r, "availability_loss_pct"),
					 sim_number(r, "electrical_loss_pct"),
					 sim_number(r, "other_loss_pct"),
					 sim_number(r, "uncertainty_pct"));
}

static StringInfo
render(AjReport *r)
{
	StringInfo	b = makeStringInfo();

	write_head(b, r);
	write_map(b, r);
	write_wind_and_energy(b, r);
	write_turbines(b, r);
	write_ground(b, r);
	write_inputs(b, r);
	appendStringInfoString(b, "<footer>Computed by asyncjob inside PostgreSQL. A first estimate for planning; not a substitute for measured wind and a certified energy assessment.</footer>\n</main></body></html>\n");
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
	aj_progress(0.7, "writing the report");
	html = render(&r);
	aj_artifact("report.html", "wind_farm_report", "text/html", html->data,
				html->len);

	initStringInfo(&b);
	appendStringInfo(&b, "{\"summary\":{\"turbine_count\":%d", r.pos->n);
	for (int i = 0; i < (int) lengthof(keys); i++)
	{
		appendStringInfo(&b, ",\"%s\":", keys[i]);
		aj_json_number(&b, sim_number(&r, keys[i]), 6);
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

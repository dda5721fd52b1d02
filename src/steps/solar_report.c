/*-------------------------------------------------------------------------
 *
 * solar_report.c
 *		The report of a solar yield: one HTML file.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "html.h"
#include "solar.h"

#include <math.h>

#include "utils/builtins.h"

#include "../kernels/csv.h"
#include "../kernels/pngout.h"

PG_FUNCTION_INFO_V1(aj_step_solar_report);
PG_FUNCTION_INFO_V1(aj_render_solar_report);

#define Z90 1.2815515655446004

static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
"Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

/* kWh, MWh or GWh, whichever reads well */
static char *
energy(double kwh, int digits)
{
	if (fabs(kwh) >= 1e6)
		return psprintf("%s <small>GWh</small>", aj_html_number(kwh / 1e6, fabs(kwh) < 1e8 ? digits + 1 : digits));
	if (fabs(kwh) >= 1e4)
		return psprintf("%s <small>MWh</small>", aj_html_number(kwh / 1e3, digits));
	return psprintf("%s <small>kWh</small>", aj_html_number(kwh, Max(digits - 1, 0)));
}

static char *
power(double kw)
{
	if (kw >= 1000)
		return psprintf("%s <small>MW</small>", aj_html_number(kw / 1000, kw >= 1e5 ? 0 : 2));
	return psprintf("%s <small>kW</small>", aj_html_number(kw, kw < 100 ? 2 : 0));
}

static void
write_head(StringInfo b, const AjSolarYear *y, const char *title)
{
	const AjkPvTotals *t = &y->tot;

	aj_html_begin(b, title);
	appendStringInfo(b, "<p>%.4f&deg; %c, %.4f&deg; %c &middot; ", fabs(y->place.lat_deg),
					 y->place.lat_deg < 0 ? 'S' : 'N', fabs(y->place.lon_deg), y->place.lon_deg < 0 ? 'W' : 'E');
	if (y->sys.tracking)
		appendStringInfoString(b, "single-axis trackers");
	else
		appendStringInfo(b, "fixed, tilt %.4g&deg;, facing %.4g&deg;", y->sys.tilt_deg, y->sys.azimuth_deg);
	appendStringInfoString(b, " &middot; weather ");
	aj_html_text(b, y->weather->name);
	appendStringInfoString(b, "</p></header>\n<div class=\"figures\">");
	aj_html_figure(b, true, psprintf("%s<small>/yr</small>", energy(t->ac_kwh, 1)), "AC energy, expected (P50)");
	aj_html_figure(b, false, psprintf("%s<small>/yr</small>", energy(t->ac_kwh * (1 - Z90 * y->uncertainty_pct / 100), 1)),
				   psprintf("P90 at %.4g %% uncertainty", y->uncertainty_pct));
	aj_html_figure(b, false, power(y->sys.dc_kw),
				   psprintf("DC at the modules, %s AC", power(y->sys.dc_kw / y->sys.dc_ac_ratio)));
	aj_html_figure(b, false, psprintf("%s <small>kWh/kWp</small>", aj_html_number(t->ac_kwh / y->sys.dc_kw, 0)),
				   "specific yield");
	aj_html_figure(b, false, psprintf("%.1f <small>%%</small>", t->poa_open_kwh_m2 > 0 ?
									  100 * t->ac_kwh / (t->poa_open_kwh_m2 * y->sys.dc_kw) : 0.0),
				   "performance ratio");
	aj_html_figure(b, false, psprintf("%.1f <small>%%</small>", t->ac_kwh / (y->sys.dc_kw * 87.6)),
				   "capacity factor (DC)");
	appendStringInfoString(b, "</div>\n");
}

static void
write_months(StringInfo b, const AjSolarYear *y)
{
	AjChart		c;
	double		ac[12];
	double		poa[12];
	double		ghi[12];
	double		most = 0;
	double		unit = 1;
	const char *name = "kWh";

	for (int m = 0; m < 12; m++)
		most = Max(most, y->month[m].ac_kwh);
	if (most >= 5e6)
		unit = 1e6, name = "GWh";
	else if (most >= 5e3)
		unit = 1e3, name = "MWh";
	for (int m = 0; m < 12; m++)
	{
		ac[m] = y->month[m].ac_kwh / unit;
		poa[m] = y->month[m].poa_kwh_m2;
		ghi[m] = y->month[m].ghi_kwh_m2;
	}
	appendStringInfoString(b, "<div class=\"two even\"><section><h2>Energy by month</h2>");
	aj_chart_init(&c, "AC energy by month", psprintf("AC energy, %s", name));
	c.scale = AJ_X_CATEGORIES;
	c.categories = months;
	c.ncategories = 12;
	aj_chart_add(&c, AJ_MARK_BARS, NULL, "#0b3954", 12, NULL, ac);
	aj_chart_draw(b, &c);
	appendStringInfoString(b, "</section><section><h2>Irradiation by month</h2>");
	aj_chart_init(&c, "Irradiation by month, in the plane of the array and horizontal", "kWh/m&sup2;");
	c.scale = AJ_X_CATEGORIES;
	c.categories = months;
	c.ncategories = 12;
	aj_chart_add(&c, AJ_MARK_BARS, "plane of array", "#e0a526", 12, NULL, poa);
	aj_chart_add(&c, AJ_MARK_BARS, "horizontal", "#a5cbe0", 12, NULL, ghi);
	aj_chart_draw(b, &c);
	appendStringInfoString(b, "</section></div>\n");
}

/* From what the light would give to what the grid gets. */
static void
write_losses(StringInfo b, const AjSolarYear *y)
{
	const AjkPvTotals *t = &y->tot;
	const char *label[] = {"Sunlight", "Hills", "Reflection", "Temperature", "System losses",
	"Inverter", "Clipping", "AC energy"};
	double		loss[] = {0, t->horizon_kwh, t->reflection_kwh, t->temperature_kwh, t->system_kwh,
	t->inverter_kwh, t->clipping_kwh, 0};
	double		left = t->nominal_kwh;
	double		scale = t->nominal_kwh > 0 ? 226 / t->nominal_kwh : 0;
	int			row = 0;

	appendStringInfoString(b, "<section><h2>From light to energy</h2>"
						   "<svg class=\"bars chart\" viewBox=\"0 0 480 238\" role=\"img\" aria-label=\"Losses between irradiation and AC energy\">");
	for (int i = 0; i < 8; i++)
	{
		bool		total = i == 0 || i == 7;
		double		before = left;
		double		y0 = 4 + row * 29;
		double		from,
					to;

		if (i == 1 && y->horizon == NULL)
			continue;
		left -= loss[i];
		row++;
		from = total ? 0 : Min(left, before);
		to = total ? left : Max(left, before);
		appendStringInfo(b, "<text x=\"134\" y=\"%.1f\" text-anchor=\"end\"%s>%s</text>"
						 "<rect x=\"%.2f\" y=\"%.1f\" width=\"%.2f\" height=\"19\" rx=\"2\" fill=\"%s\"/>",
						 y0 + 14, total ? " font-weight=\"700\"" : "", label[i],
						 142 + from * scale, y0, Max((to - from) * scale, 1.5),
						 total ? (i ? "#0b3954" : "#e0a526") : loss[i] < 0 ? "#2b8a89" : "#d1495b");
		if (total)
			appendStringInfo(b, "<text x=\"%.1f\" y=\"%.1f\" font-weight=\"700\">%s</text>",
							 142 + to * scale + 7, y0 + 14,
							 t->nominal_kwh >= 1e6 ? psprintf("%s GWh", aj_html_number(left / 1e6, 2)) :
							 t->nominal_kwh >= 1e4 ? psprintf("%s MWh", aj_html_number(left / 1000, 1)) :
							 psprintf("%s kWh", aj_html_number(left, 0)));
		else
			appendStringInfo(b, "<text x=\"385\" y=\"%.1f\">%s %%</text>", y0 + 14,
							 aj_html_number(before > 0 ? -100 * loss[i] / before : 0, 2));
	}
	appendStringInfoString(b, "</svg><p class=\"muted\">Per cent of what was left before each; the first bar is the irradiation on the array at the efficiency of 25 &deg;C.</p></section>");
}

/*
 * The sun's way on the longest, an even and the shortest day over the
 * horizon; azimuths around the side on which the sun culminates.
 */
static void
write_sun_path(StringInfo b, const AjSolarYear *y)
{
	static const struct
	{
		int			month;
		int			day;
		const char *name;
		const char *color;
	}			days[] =
	{
		{6, 21, "21 June", "#d98e04"}, {3, 21, "21 March", "#357fab"}, {12, 21, "21 December", "#7b2d8b"}
	};
	enum
	{
		STEPS = 145
	};
	bool		north = y->place.lat_deg < 0;
	AjChart		c;
	double	   *hx = palloc(sizeof(double) * (AJK_HORIZON_BINS + 1));
	double	   *hy = palloc(sizeof(double) * (AJK_HORIZON_BINS + 1));
	int			year,
				month,
				day;
	double		top = 0;

	ajk_date((int64) floor(y->weather->first_s / 86400) + 100, &year, &month, &day);
	aj_chart_init(&c, "The sun's path over the horizon of the site", "Elevation, &deg;");
	c.x_min = north ? -180 : 0;
	c.x_max = north ? 180 : 360;
	c.x_step = 60;
	c.y_min = 0;
	c.x_title = north ? "Azimuth from north, &deg; (west negative, east positive)" : "Azimuth, &deg; (90 east, 180 south, 270 west)";
	for (int k = 0; k < 3; k++)
	{
		double	   *x = palloc(sizeof(double) * STEPS);
		double	   *e = palloc(sizeof(double) * STEPS);
		double		last = NAN;
		int			n = 0;

		for (int i = 0; i < STEPS; i++)
		{
			double		jd = ajk_julian_day(year, days[k].month, days[k].day) +
			i / (double) (STEPS - 1) - y->place.lon_deg / 360;
			AjkSpaSun	sun;
			AjkSpaPosition p;

			ajk_spa_sun(jd, ajk_delta_t(jd), &sun);
			ajk_spa_position(&sun, &y->place, &p);
			x[n] = north && p.azimuth_deg > 180 ? p.azimuth_deg - 360 : p.azimuth_deg;
			/* break the line at the edge of the picture */
			e[n] = p.elevation_deg >= -0.5 && !(fabs(x[n] - last) > 90) ? p.elevation_deg : NAN;
			last = x[n];
			top = Max(top, p.elevation_deg);
			n++;
		}
		aj_chart_add(&c, AJ_MARK_LINE, days[k].name, days[k].color, n, x, e);
	}
	c.y_max = Min(Max(ceil((top + 4) / 10) * 10, 30), 90);
	for (int i = 0; i <= AJK_HORIZON_BINS; i++)
	{
		hx[i] = i * 360.0 / AJK_HORIZON_BINS - (north ? 180 : 0);
		hy[i] = ajk_horizon_at(y->horizon, hx[i]);
	}
	if (y->horizon)
		aj_chart_add(&c, AJ_MARK_AREA, "hills", "#8a7d6b", AJK_HORIZON_BINS + 1, hx, hy);
	appendStringInfoString(b, "<section><h2>Sun and horizon</h2>");
	aj_chart_draw(b, &c);
	if (y->horizon)
		appendStringInfo(b, "<p class=\"muted\">The sun stands behind a hill in %.0f of %.0f hours of daylight a year.</p>",
						 y->tot.shaded_hours, y->tot.sun_hours);
	else
		appendStringInfoString(b, "<p class=\"muted\">No horizon was given; give <code>dem</code> to take hills into account.</p>");
	appendStringInfoString(b, "</section>");
}

/* Every hour of the year as one picture: days across, hours up. */
static void
write_hours(StringInfo b, const AjSolarYear *y)
{
	const int	days = 365;
	const int	hours = 24;
	double	   *sum = palloc0(sizeof(double) * days * hours);
	int		   *count = palloc0(sizeof(int) * days * hours);
	uint8	   *pixels = palloc(days * hours * 3);
	uint8_t    *png = NULL;
	size_t		len = 0;
	double		limit = y->sys.dc_kw / y->sys.dc_ac_ratio;
	AjkError	err;

	for (int i = 0; i < y->weather->n; i++)
	{
		int			m,
					d;
		double		h;

		aj_solar_local(y->weather, i, &m, &d, &h);
		d = Min(d, days - 1);
		sum[(int) h * days + d] += y->ac_kw[i];
		count[(int) h * days + d]++;
	}
	for (int h = 0; h < hours; h++)
		for (int d = 0; d < days; d++)
		{
			int			at = (hours - 1 - h) * days + d;

			aj_heat_color(count[at] ? sum[at] / count[at] / limit : 0, pixels + (h * days + d) * 3);
		}
	err = ajk_png(pixels, days, hours, 3, &png, &len, NULL, NULL);
	if (err == AJK_OK)
	{
		appendStringInfoString(b, "<section><h2>Every hour of the year</h2><img class=\"heat\" alt=\"AC power by day of the year and hour of the day\" src=\"");
		aj_html_png(b, png, len);
		appendStringInfoString(b, "\"><ul class=\"key\"><li>January to December from left to right, midnight to midnight from bottom to top, local standard time</li><li>");
		aj_html_ramp(b);
		appendStringInfo(b, "0 to %s AC</li></ul></section>\n", power(limit));
	}
	free(png);
}

static void
write_table(StringInfo b, const AjSolarYear *y)
{
	appendStringInfoString(b, "<section class=\"long\"><h2>By month</h2><div class=\"scroll\"><table><thead><tr><th>Month</th><th>Horizontal<br>kWh/m&sup2;</th>"
						   "<th>Plane of array<br>kWh/m&sup2;</th><th>AC energy<br>kWh</th><th>Specific yield<br>kWh/kWp</th><th>Air<br>&deg;C</th></tr></thead><tbody>");
	for (int m = 0; m < 12; m++)
		appendStringInfo(b, "<tr><td>%s</td><td>%s</td><td>%s</td><td>%s</td><td>%s</td><td>%s</td></tr>", months[m],
						 aj_html_number(y->month[m].ghi_kwh_m2, 1), aj_html_number(y->month[m].poa_kwh_m2, 1),
						 aj_html_number(y->month[m].ac_kwh, 0), aj_html_number(y->month[m].ac_kwh / y->sys.dc_kw, 1),
						 aj_html_number(y->month[m].air_c, 1));
	appendStringInfo(b, "</tbody><tfoot><tr><td>Year</td><td>%s</td><td>%s</td><td>%s</td><td>%s</td><td></td></tr></tfoot></table></div></section>\n",
					 aj_html_number(y->tot.ghi_kwh_m2, 1), aj_html_number(y->tot.poa_kwh_m2, 1),
					 aj_html_number(y->tot.ac_kwh, 0), aj_html_number(y->tot.ac_kwh / y->sys.dc_kw, 1));
}

static void
write_inputs(StringInfo b, const AjSolarYear *y)
{
	const AjkPvSystem *s = &y->sys;
	const AjWeather *w = y->weather;

	appendStringInfoString(b, "<div class=\"two even\"><section><h2>Inputs</h2><table class=\"plain\"><tbody>");
	aj_html_row(b, "Weather", psprintf("%s (%s%s%s), %d intervals of %.4g min", w->name, w->format,
									   w->source ? "; " : "", w->source ? w->source : "", w->n, w->interval_s / 60));
	aj_html_row(b, "Weather's place", psprintf("%.4f, %.4f, %.0f m", w->latitude, w->longitude, w->elevation_m));
	if (y->dem)
		aj_html_row(b, "Elevation model", y->dem);
	aj_html_row(b, "Modules", psprintf("%.6g kW, %s, %.3g %% per degree C, %s", s->dc_kw, y->module_type,
									   100 * s->gamma_per_c, strcmp(y->mounting, "roof") == 0 ? "on a roof" : "open rack"));
	if (s->tracking)
		aj_html_row(b, "Trackers", psprintf("axis towards %.4g degrees, up to %.4g degrees, %s", s->azimuth_deg,
											s->max_angle_deg, s->gcr > 0 ? psprintf("backtracking at a ground cover of %.3g", s->gcr) : "no backtracking"));
	else
		aj_html_row(b, "Orientation", psprintf("tilt %.4g, azimuth %.4g degrees", s->tilt_deg, s->azimuth_deg));
	aj_html_row(b, "Inverter", psprintf("%.6g kW AC, efficiency %.4g %%", s->dc_kw / s->dc_ac_ratio, 100 * s->inverter_efficiency));
	aj_html_row(b, "System losses", psprintf("%.4g %%", s->losses_pct));
	aj_html_row(b, "Albedo", w->albedo ? psprintf("from the weather, else %.3g", s->albedo) : psprintf("%.3g", s->albedo));
	appendStringInfoString(b, "</tbody></table></section><section><h2>Assumptions</h2><ul class=\"notes\">");
	for (int i = 0; y->assumptions[i]; i++)
	{
		appendStringInfoString(b, "<li>");
		aj_html_text(b, y->assumptions[i]);
		appendStringInfoString(b, "</li>");
	}
	appendStringInfo(b, "</ul><h3>Models</h3><p class=\"muted\">Sun: Reda and Andreas, NREL/TP-560-34302. Tilted plane: Perez et al. 1990. "
					 "Module temperature: Fuentes 1987. Cover, module, inverter: Dobos, PVWatts 5, NREL/TP-6A20-62641.%s</p></section></div>\n",
					 s->tracking ? " Trackers: Anderson and Mikofski, NREL/TP-5K00-76626." : "");
}

static StringInfo
render(const AjSolarYear *y, JsonbContainer *params)
{
	StringInfo	b = makeStringInfo();
	char	   *title = aj_param_text(params, "title", NULL);

	if (title == NULL)
		title = psprintf("Solar yield, %s", y->weather->name);
	write_head(b, y, title);
	write_months(b, y);
	appendStringInfoString(b, "<div class=\"two even\">");
	write_losses(b, y);
	write_sun_path(b, y);
	appendStringInfoString(b, "</div>\n");
	write_hours(b, y);
	write_table(b, y);
	write_inputs(b, y);
	aj_html_end(b, "Computed by asyncjob inside PostgreSQL. An estimate for planning from one year of weather; not a bankable yield assessment.");
	return b;
}

static StringInfo
report(Jsonb *arg, AjSolarYear **year)
{
	AjStepInput in;

	aj_step_input(arg, &in);
	*year = aj_solar_input(in.params, true);
	aj_solar_compute(*year, 0.4, 0.9);
	return render(*year, in.params);
}

/*
 * render_solar_report(input jsonb) returns text
 */
Datum
aj_render_solar_report(PG_FUNCTION_ARGS)
{
	AjSolarYear *y;
	StringInfo	html = report(PG_GETARG_JSONB_P(0), &y);

	PG_RETURN_TEXT_P(cstring_to_text_with_len(html->data, html->len));
}

/*
 * step_solar_report(input jsonb) returns jsonb
 */
Datum
aj_step_solar_report(PG_FUNCTION_ARGS)
{
	AjSolarYear *y;
	StringInfo	html = report(PG_GETARG_JSONB_P(0), &y);
	StringInfoData b;

	aj_artifact("report.html", "solar_report", "text/html", html->data, html->len);
	initStringInfo(&b);
	appendStringInfoString(&b, "{\"summary\":{\"annual_ac_kwh\":");
	aj_json_number(&b, y->tot.ac_kwh, 3);
	appendStringInfoString(&b, ",\"annual_ac_p90_kwh\":");
	aj_json_number(&b, y->tot.ac_kwh * (1 - Z90 * y->uncertainty_pct / 100), 3);
	appendStringInfoString(&b, ",\"specific_yield_kwh_kwp\":");
	aj_json_number(&b, y->tot.ac_kwh / y->sys.dc_kw, 4);
	appendStringInfoString(&b, ",\"poa_kwh_m2\":");
	aj_json_number(&b, y->tot.poa_kwh_m2, 4);
	appendStringInfoString(&b, ",\"performance_ratio\":");
	aj_json_number(&b, y->tot.poa_open_kwh_m2 > 0 ? y->tot.ac_kwh / (y->tot.poa_open_kwh_m2 * y->sys.dc_kw) : NAN, 6);
	appendStringInfoString(&b, ",\"dc_capacity_kw\":");
	aj_json_number(&b, y->sys.dc_kw, 4);
	appendStringInfoString(&b, "},\"artifacts\":[\"solar_yield\",\"monthly.csv\",\"solar_array.geojson\",\"report.html\"]}");
	PG_RETURN_JSONB_P(aj_jsonb_from_text(b.data));
}

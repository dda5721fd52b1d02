/*-------------------------------------------------------------------------
 *
 * battery_report.c
 *		The last step of battery_insights: tables, insights, one HTML file.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "battery.h"
#include "html.h"

#include <math.h>

#include "../kernels/csv.h"
#include "../kernels/pngout.h"

PG_FUNCTION_INFO_V1(aj_step_battery_store_results);

typedef struct Report
{
	AjBatteryInput b;
	JsonbContainer *init;
	JsonbContainer *load;
	JsonbContainer *valid;
	JsonbContainer *balance;
	JsonbContainer *cycles;
	JsonbContainer *health;
	JsonbContainer *climate;
	JsonbContainer *trend;
	JsonbContainer *odd;
	JsonbContainer *advice;
} Report;

/* ---- tables ---- */

static JsonbContainer *
item(JsonbContainer *list, int i)
{
	return aj_item_object(list, i);
}

static int
length(JsonbContainer *list)
{
	return list ? (int) JsonContainerSize(list) : 0;
}

/* A list of objects as CSV; columns of text have no comma in them. */
static char *
csv(JsonbContainer *list, const char *const *columns)
{
	StringInfoData o;

	initStringInfo(&o);
	for (int c = 0; columns[c]; c++)
		appendStringInfo(&o, "%s%s", c ? "," : "", columns[c]);
	appendStringInfoChar(&o, '\n');
	for (int i = 0; i < length(list); i++)
	{
		JsonbContainer *row = item(list, i);

		for (int c = 0; columns[c]; c++)
		{
			JsonbValue	v;

			if (c)
				appendStringInfoChar(&o, ',');
			if (getKeyJsonValueFromContainer(row, columns[c], strlen(columns[c]), &v) == NULL)
				continue;
			if (v.type == jbvString)
				appendBinaryStringInfo(&o, v.val.string.val, v.val.string.len);
			else if (v.type == jbvNumeric)
				aj_json_number(&o, aj_number_at(row, columns[c]), 6);
		}
		appendStringInfoChar(&o, '\n');
	}
	return o.data;
}

static void
store_table(const char *name, const char *kind, JsonbContainer *list, const char *const *columns)
{
	char	   *text = csv(list, columns);

	aj_artifact(name, kind, "text/csv", text, strlen(text));
}

/* ---- report ---- */

/* A figure, or why there is none. */
static void
tile(StringInfo o, bool lead, JsonbContainer *c, const char *key, double scale, int decimals,
	 const char *unit, const char *label)
{
	double		v = c ? aj_number_at(c, key) : NAN;

	if (isnan(v))
		aj_html_figure(o, lead, "<small>not yet determinable</small>", label);
	else
		aj_html_figure(o, lead, psprintf("%s <small>%s</small>", aj_html_number(v * scale, decimals), unit), label);
}

/* LFP, NMC, ...; lead acid */
static char *
chemistry(const Report *r)
{
	char	   *name = pstrdup(r->b.config.chemistry);
	bool		acronym = strlen(name) == 3;

	for (char *p = name; *p; p++)
		*p = *p == '_' ? ' ' : acronym ? pg_toupper((unsigned char) *p) : *p;
	return name;
}

static void
write_head(StringInfo o, const Report *r, const char *title)
{
	JsonbContainer *q = aj_determined(r->health, "capacity_recent");
	char	   *from = aj_require_text(r->load, "from");
	char	   *to = aj_require_text(r->load, "to");

	if (q == NULL)
		q = aj_determined(r->health, "capacity");
	aj_html_begin(o, title);
	appendStringInfo(o, "<p>%s Ah, %s V, ", aj_html_number(r->b.config.capacity_ah, 0), aj_html_number(r->b.config.nominal_voltage_v, 1));
	aj_html_text(o, chemistry(r));
	appendStringInfo(o, " &middot; %.10s to %.10s &middot; %s samples every %s min</p></header>\n<div class=\"figures\">",
					 from, to, aj_html_number(aj_number_at(r->load, "samples"), 0), aj_html_number(aj_number_at(r->load, "step_s") / 60, 0));
	tile(o, true, q, "retention", 100, 1, "%", "capacity left, of the nominal");
	tile(o, false, aj_determined(r->trend, "capacity_trend"), "fade_pct_per_year", 1, 2, "%/yr", "fade of the capacity");
	tile(o, false, aj_determined(r->trend, "end_of_life"), "years_left", 1, 1, "years",
		 psprintf("to %s %% of the nominal", aj_html_number(100 * r->b.config.eol_retention, 0)));
	tile(o, false, r->cycles, "efc", 1, 0, "cycles", "equivalent full cycles");
	tile(o, false, aj_determined(r->health, "efficiency"), "coulombic", 100, 1, "%", "charge efficiency");
	tile(o, false, aj_determined(r->health, "resistance"), "mohm", 1, 1, "m&Omega;", "resistance");
	appendStringInfoString(o, "</div>\n");
}

/* A key of the results as words */
static void
put_words(StringInfo o, char *key)
{
	for (char *p = key; *p; p++)
		if (*p == '_')
			*p = ' ';
	aj_html_text(o, key);
}

static void
write_advice(StringInfo o, const Report *r)
{
	JsonbContainer *list = aj_require_array(r->advice, "recommendations");

	appendStringInfoString(o, "<section><h2>Recommendations</h2>");
	for (int i = 0; i < length(list); i++)
	{
		JsonbContainer *a = item(list, i);
		JsonbContainer *e = aj_require_object(a, "evidence");

		appendStringInfo(o, "<div class=\"advice %s\"><b>", aj_require_text(a, "priority"));
		aj_html_text(o, aj_require_text(a, "title"));
		appendStringInfoString(o, "</b><p>");
		aj_html_text(o, aj_require_text(a, "text"));
		appendStringInfoString(o, "</p><p class=\"muted\">Evidence: ");
		put_words(o, aj_require_text(e, "metric"));
		appendStringInfo(o, " is %.4g ", aj_number_at(e, "value"));
		aj_html_text(o, aj_require_text(e, "unit"));
		appendStringInfo(o, ", limit %.4g (step ", aj_number_at(e, "limit"));
		put_words(o, aj_require_text(e, "step"));
		appendStringInfoString(o, ")</p></div>");
	}
	if (length(list) == 0)
		appendStringInfoString(o, "<p>None: no rule applies to what could be determined.</p>");
	appendStringInfoString(o, "</section>\n");
}

/* A key of each object of a list as an array; NaN where absent. */
static double *
column(JsonbContainer *list, const char *key, double scale)
{
	double	   *v = palloc(sizeof(double) * Max(length(list), 1));

	for (int i = 0; i < length(list); i++)
		v[i] = aj_number_at(item(list, i), key) * scale;
	return v;
}

static void
not_yet(StringInfo o, JsonbContainer *c, const char *key)
{
	JsonbContainer *n = aj_param_object(c, key);
	char	   *have = n ? aj_param_text(n, "have", NULL) : NULL;
	char	   *need = n ? aj_param_text(n, "need", NULL) : NULL;

	appendStringInfoString(o, "<p class=\"muted\">Not yet determinable. ");
	aj_html_text(o, n ? aj_param_text(n, "reason", "") : "");
	if (have)
	{
		appendStringInfoString(o, " There is: ");
		aj_html_text(o, have);
		appendStringInfoChar(o, '.');
	}
	if (need)
	{
		appendStringInfoString(o, " Needed: ");
		aj_html_text(o, need);
		appendStringInfoChar(o, '.');
	}
	appendStringInfoString(o, "</p>");
}

/* Days as a band of the state of charge, and every hour as a picture. */
static void
write_soc(StringInfo o, const Report *r)
{
	JsonbContainer *daily = aj_require_array(r->balance, "daily");
	const AjkTelemetry *d = &r->b.d;
	int			n = length(daily);
	double	   *x = palloc(sizeof(double) * Max(n, 1));
	AjChart		c;
	AjSeries   *s;
	int64		first = 0;
	int64		day;
	double		hour;
	int			days;
	double	   *sum;
	int		   *count;
	uint8	   *pixels;
	uint8_t    *png = NULL;
	size_t		len;

	if (d->soc == NULL)
		return;
	aj_local_time(&r->b.config, d->t[0], &first, &hour);
	for (int i = 0; i < n; i++)
	{
		char	   *text = aj_require_text(item(daily, i), "day");
		int			yy,
					mm,
					dd;

		sscanf(text, "%d-%d-%d", &yy, &mm, &dd);
		x[i] = ajk_days(yy, mm, dd) * 86400.0;
	}
	aj_chart_init(&c, "State of charge by day", "State of charge, %");
	c.wide = true;
	c.scale = AJ_X_TIME;
	c.y_min = 0;
	c.y_max = 100;
	s = aj_chart_add(&c, AJ_MARK_AREA, "lowest to highest of the day", "#a5cbe0", n, x, column(daily, "soc_max", 100));
	s->low = column(daily, "soc_min", 100);
	aj_chart_add(&c, AJ_MARK_LINE, "mean", "#0b3954", n, x, column(daily, "soc_mean", 100));
	appendStringInfoString(o, "<section><h2>State of charge</h2>");
	if (n > 1)
		aj_chart_draw(o, &c);

	aj_local_time(&r->b.config, d->t[d->n - 1], &day, &hour);
	days = (int) Min(day - first + 1, 4000);
	sum = palloc0(sizeof(double) * days * 24);
	count = palloc0(sizeof(int) * days * 24);
	pixels = palloc0((Size) days * 24 * 3);
	for (int i = 0; i < d->n; i++)
	{
		if (isnan(d->soc[i]))
			continue;
		aj_local_time(&r->b.config, d->t[i], &day, &hour);
		if (day - first >= days)
			break;
		sum[(int) hour * days + (day - first)] += d->soc[i];
		count[(int) hour * days + (day - first)]++;
	}
	for (int h = 0; h < 24; h++)
		for (int k = 0; k < days; k++)
		{
			uint8	   *p = pixels + ((Size) h * days + k) * 3;
			int			at = (23 - h) * days + k;

			if (count[at])
				aj_heat_color(sum[at] / count[at], p);
			else
				p[0] = p[1] = p[2] = 228;
		}
	if (ajk_png(pixels, days, 24, 3, &png, &len, NULL, NULL) == AJK_OK)
	{
		appendStringInfoString(o, "<h3>Every hour</h3><img class=\"heat\" alt=\"State of charge by day and hour\" src=\"");
		aj_html_png(o, png, len);
		appendStringInfoString(o, "\"><ul class=\"key\"><li>Days from left to right, midnight to midnight from bottom to top (");
		aj_html_text(o, r->b.config.timezone);
		appendStringInfoString(o, ")</li><li>");
		aj_html_ramp(o);
		appendStringInfoString(o, "empty to full; grey: not known</li></ul>");
	}
	free(png);
	appendStringInfoString(o, "</section>\n");
}

static void
write_capacity(StringInfo o, const Report *r)
{
	JsonbContainer *months = aj_param_array(r->health, "capacity_monthly");
	JsonbContainer *trend = aj_determined(r->trend, "capacity_trend");
	JsonbContainer *eol = aj_determined(r->trend, "end_of_life");
	JsonbContainer *resistance = aj_determined(r->health, "resistance");
	AjChart		c;
	int			n = length(months);
	double		tx[2];
	double		ty[2];

	appendStringInfoString(o, "<div class=\"two even\"><section><h2>Capacity</h2>");
	if (n > 0)
	{
		double		scale = 100 / r->b.config.capacity_ah;

		aj_chart_init(&c, "Capacity by month", "Capacity, % of the nominal");
		c.scale = AJ_X_TIME;
		aj_chart_add(&c, AJ_MARK_DOTS, "by month", "#0b3954", n, column(months, "t", 1), column(months, "ah", scale));
		if (trend)
		{
			double		slope = aj_number_at(trend, "theil_sen_per_year");

			tx[0] = aj_number_at(item(months, 0), "t");
			tx[1] = r->b.d.t[r->b.d.n - 1];
			ty[1] = aj_number_at(trend, "ah_at_end") * scale;
			ty[0] = ty[1] - slope * (tx[1] - tx[0]) / (365 * 86400.0) * scale;
			aj_chart_add(&c, AJ_MARK_LINE, "trend (Theil-Sen)", "#d1495b", 2, tx, ty);
		}
		aj_chart_draw(o, &c);
	}
	if (trend)
		appendStringInfo(o, "<p>%s %% of the nominal a year (95 %% between %s and %s), %s; %s windows.</p>",
						 aj_html_number(-aj_number_at(trend, "fade_pct_per_year"), 2),
						 aj_html_number(100 * aj_number_at(trend, "low_per_year") / r->b.config.capacity_ah, 2),
						 aj_html_number(100 * aj_number_at(trend, "high_per_year") / r->b.config.capacity_ah, 2),
						 aj_param_bool(trend, "significant", false) ? "significant" : "not significant",
						 aj_html_number(aj_number_at(trend, "points"), 0));
	else
		not_yet(o, r->trend, "capacity_trend");
	if (eol)
		appendStringInfo(o, "<p>End of life at %s %% about %.7s, in %s to %s years if it goes on like this.</p>",
						 aj_html_number(100 * r->b.config.eol_retention, 0), aj_require_text(eol, "at"),
						 aj_html_number(aj_number_at(eol, "years_left_low"), 1), aj_html_number(aj_number_at(eol, "years_left_high"), 1));
	else if (trend)
	{
		appendStringInfoString(o, "<h3>End of life</h3>");
		not_yet(o, r->trend, "end_of_life");
	}
	appendStringInfoString(o, "</section><section><h2>Resistance</h2>");
	if (resistance)
	{
		JsonbContainer *list = aj_require_array(resistance, "monthly");

		if (length(list) > 1)
		{
			aj_chart_init(&c, "Resistance by month", "Resistance, m&Omega;");
			c.scale = AJ_X_TIME;
			c.y_min = 0;
			aj_chart_add(&c, AJ_MARK_LINE, NULL, "#d98e04", length(list), column(list, "t", 1), column(list, "mohm", 1));
			aj_chart_add(&c, AJ_MARK_DOTS, NULL, "#d98e04", length(list), column(list, "t", 1), column(list, "mohm", 1));
			aj_chart_draw(o, &c);
		}
		appendStringInfo(o, "<p>%s &plusmn; %s m&Omega; at the time scale of the samples.</p>",
						 aj_html_number(aj_number_at(resistance, "mohm"), 2), aj_html_number(aj_number_at(resistance, "standard_error_mohm"), 2));
	}
	else
		not_yet(o, r->health, "resistance");
	appendStringInfoString(o, "</section></div>\n");
}

static void
write_cycles(StringInfo o, const Report *r)
{
	JsonbContainer *rain = aj_determined(r->cycles, "rainflow");
	JsonbContainer *model = aj_determined(r->trend, "projection");
	static const char *const dod[] = {"10", "20", "30", "40", "50", "60", "70", "80", "90", "100"};
	AjChart		c;

	appendStringInfoString(o, "<div class=\"two even\"><section><h2>Cycles by depth</h2>");
	if (rain)
	{
		JsonbContainer *h = aj_require_array(rain, "histogram");

		aj_chart_init(&c, "Number of cycles by depth of discharge", "Cycles");
		c.scale = AJ_X_CATEGORIES;
		c.categories = dod;
		c.ncategories = 10;
		c.x_title = "depth of discharge up to, %";
		aj_chart_add(&c, AJ_MARK_BARS, NULL, "#357fab", 10, NULL, column(h, "cycles", 1));
		aj_chart_draw(o, &c);
		appendStringInfo(o, "<p>%s cycles deeper than %s %%, mean depth %s %%%s.</p>",
						 aj_html_number(aj_number_at(rain, "cycles"), 0), aj_html_number(100 * aj_number_at(rain, "smallest_dod"), 0),
						 aj_html_number(100 * aj_number_at(rain, "mean_dod"), 0),
						 isnan(aj_number_at(r->cycles, "efc_per_year")) ? "" :
						 psprintf("; %s equivalent full cycles a year", aj_html_number(aj_number_at(r->cycles, "efc_per_year"), 0)));
	}
	else
		not_yet(o, r->cycles, "rainflow");
	appendStringInfoString(o, "</section><section><h2>Projection by a model of cells</h2>");
	if (model)
	{
		JsonbContainer *years = aj_require_array(model, "years");
		double		limit[2] = {100 * r->b.config.eol_retention, 100 * r->b.config.eol_retention};
		double		ends[2] = {0, r->b.config.horizon_years};

		aj_chart_init(&c, "Capacity left over the years", "Capacity left, %");
		c.x_title = "years";
		c.y_max = 100;
		aj_chart_add(&c, AJ_MARK_LINE, "time and cycles", "#0b3954", length(years), column(years, "year", 1), column(years, "q", 100));
		aj_chart_add(&c, AJ_MARK_LINE, "time alone", "#6aa6c8", length(years), column(years, "year", 1), column(years, "q_calendar", 100));
		aj_chart_add(&c, AJ_MARK_LINE, "end of life", "#d1495b", 2, ends, limit)->dashed = true;
		aj_chart_draw(o, &c);
		appendStringInfo(o, "<p class=\"muted\">A new battery under this load repeated, after ");
		aj_html_text(o, "Gasper et al. 2023 (BLAST-Lite, LFP). ");
		if (aj_param_bool(model, "outside_tested_range", false))
			appendStringInfoString(o, "Temperatures leave the range the cells were tested in (10 to 45 &deg;C). ");
		appendStringInfoString(o, "Independent of the measured capacity.</p>");
	}
	else
		not_yet(o, r->trend, "projection");
	appendStringInfoString(o, "</section></div>\n");
}

static void
write_profile(StringInfo o, const Report *r)
{
	JsonbContainer *hours = aj_require_array(r->balance, "hourly_profile");
	JsonbContainer *totals = aj_require_object(r->balance, "totals");
	JsonbContainer *forecast = aj_determined(r->trend, "soc_forecast");
	AjChart		c;
	double	   *power = column(hours, "battery_w", 1e-3);
	double	   *load = column(hours, "load_w", 1e-3);
	double	   *pv = column(hours, "pv_w", 1e-3);
	double	   *soc = column(hours, "soc_mean", 100);
	bool		any = false;

	for (int i = 0; i < length(hours); i++)
		any = any || isfinite(power[i]) || isfinite(load[i]) || isfinite(pv[i]);
	appendStringInfoString(o, "<div class=\"two even\"><section><h2>A mean day</h2>");
	aj_chart_init(&c, "A mean day", any ? "kW; charging is positive" : "State of charge, %");
	c.x_step = 4;
	c.x_max = 24;
	c.x_min = 0;
	c.x_title = "hour, local time";
	if (any)
	{
		aj_chart_add(&c, AJ_MARK_LINE, "battery", "#0b3954", 24, NULL, power);
		if (r->b.d.load)
			aj_chart_add(&c, AJ_MARK_LINE, "load", "#d1495b", 24, NULL, load);
		if (r->b.d.pv)
			aj_chart_add(&c, AJ_MARK_LINE, "sun", "#e0a526", 24, NULL, pv);
	}
	else
		aj_chart_add(&c, AJ_MARK_LINE, NULL, "#0b3954", 24, NULL, soc);
	aj_chart_draw(o, &c);
	appendStringInfoString(o, "</section><section><h2>Energy and forecast</h2><table class=\"plain\"><tbody>");
	if (isfinite(aj_number_at(totals, "charge_kwh")))
		appendStringInfo(o, "<tr><th>Charged, discharged</th><td>%s, %s kWh</td></tr>",
						 aj_html_number(aj_number_at(totals, "charge_kwh"), 0), aj_html_number(aj_number_at(totals, "discharge_kwh"), 0));
	if (isfinite(aj_number_at2(r->health, "efficiency", "energy")))
		appendStringInfo(o, "<tr><th>Energy efficiency</th><td>%s %%</td></tr>", aj_html_number(100 * aj_number_at2(r->health, "efficiency", "energy"), 1));
	if (aj_determined(r->health, "current_offset"))
		appendStringInfo(o, "<tr><th>Offset of the current</th><td>%s &plusmn; %s A, taken off</td></tr>",
						 aj_html_number(aj_number_at2(r->health, "current_offset", "a"), 2), aj_html_number(aj_number_at2(r->health, "current_offset", "standard_error_a"), 2));
	if (aj_determined(r->balance, "solar"))
		appendStringInfo(o, "<tr><th>Sun over load</th><td>%s %%, %s of %s days in deficit</td></tr>",
						 aj_html_number(100 * aj_number_at2(r->balance, "solar", "sufficiency"), 0),
						 aj_html_number(aj_number_at2(r->balance, "solar", "deficit_days"), 0), aj_html_number(aj_number_at2(r->balance, "solar", "days"), 0));
	if (isfinite(aj_number_at(totals, "generator_h")))
		appendStringInfo(o, "<tr><th>Generator</th><td>%s h, %s kWh</td></tr>", aj_html_number(aj_number_at(totals, "generator_h"), 0),
						 aj_html_number(aj_number_at(totals, "generator_kwh"), 0));
	if (aj_determined(r->balance, "autonomy"))
		appendStringInfo(o, "<tr><th>Autonomy, full</th><td>%s h at the mean load of %s kW</td></tr>",
						 aj_html_number(aj_number_at2(r->balance, "autonomy", "full_h"), 0), aj_html_number(aj_number_at2(r->balance, "autonomy", "mean_load_kw"), 2));
	if (forecast)
		appendStringInfo(o, "<tr><th>Forecast of the state of charge</th><td>mean error of %s points six hours ahead (%s if it is taken to stay)</td></tr>",
						 aj_html_number(100 * aj_number_at(forecast, "mean_error_6h"), 1), aj_html_number(100 * aj_number_at(forecast, "mean_error_6h_if_unchanged"), 1));
	if (aj_determined(r->climate, "temperature"))
		appendStringInfo(o, "<tr><th>Temperature</th><td>%s &deg;C on average, %s to %s, over 35 &deg;C in %s %% of samples</td></tr>",
						 aj_html_number(aj_number_at2(r->climate, "temperature", "mean_c"), 1), aj_html_number(aj_number_at2(r->climate, "temperature", "min_c"), 1),
						 aj_html_number(aj_number_at2(r->climate, "temperature", "max_c"), 1), aj_html_number(aj_number_at2(r->climate, "temperature", "over_35_c_pct"), 1));
	if (aj_determined(r->climate, "imbalance"))
		appendStringInfo(o, "<tr><th>Cell spread</th><td>%s mV median, %s mV at the 95th per cent</td></tr>",
						 aj_html_number(aj_number_at2(r->climate, "imbalance", "median_mv"), 0), aj_html_number(aj_number_at2(r->climate, "imbalance", "p95_mv"), 0));
	appendStringInfoString(o, "</tbody></table></section></div>\n");
}

/* A time as aj_utc_text() writes it, as long at least */
static char *
time_of(JsonbContainer *c, const char *key)
{
	return psprintf("%-20s", aj_require_text(c, key));
}

static void
write_anomalies(StringInfo o, const Report *r)
{
	JsonbContainer *list = aj_require_array(r->odd, "anomalies");
	int			n = length(list);
	int			shown = Min(n, 15);

	appendStringInfo(o, "<section class=\"long\"><h2>Anomalies: %s</h2>", aj_html_number(aj_number_at(r->odd, "count"), 0));
	if (n == 0)
		appendStringInfo(o, "<p>None beyond %s robust standard deviations.</p>", aj_html_number(r->b.config.anomaly_limit, 1));
	else
	{
		appendStringInfoString(o, "<div class=\"scroll\"><table><thead><tr><th>What</th><th>From, UTC</th><th>To, UTC</th><th>Samples</th><th>Value</th><th>Expected</th><th>Unit</th><th>Score</th></tr></thead><tbody>");
		for (int i = n - shown; i < n; i++)
		{
			JsonbContainer *a = item(list, i);
			char	   *from = time_of(a, "from");
			char	   *to = time_of(a, "to");

			appendStringInfoString(o, "<tr><td>");
			put_words(o, aj_require_text(a, "kind"));
			appendStringInfo(o, "</td><td>%.10s %.5s</td><td>%.10s %.5s</td><td>%s</td><td>%s</td><td>%s</td><td>%s</td><td>%s</td></tr>",
							 from, from + 11, to, to + 11, aj_html_number(aj_number_at(a, "samples"), 0), aj_html_number(aj_number_at(a, "value"), 3),
							 aj_html_number(aj_number_at(a, "expected"), 3), aj_require_text(a, "unit"), aj_html_number(aj_number_at(a, "score"), 1));
		}
		appendStringInfoString(o, "</tbody></table></div>");
		if (aj_number_at(r->odd, "count") > shown)
			appendStringInfo(o, "<p class=\"muted\">The latest %d; anomalies.csv has more.</p>", shown);
	}
	appendStringInfoString(o, "</section>\n");
}

static void
write_inputs(StringInfo o, const Report *r)
{
	JsonbContainer *warnings = aj_param_array(r->valid, "warnings");

	appendStringInfoString(o, "<div class=\"two even\"><section><h2>Inputs</h2><table class=\"plain\"><tbody>");
	aj_html_row(o, "Telemetry", r->b.series->source ? psprintf("%s (%s)", r->b.series->name, r->b.series->source) : r->b.series->name);
	aj_html_row(o, "Time", psprintf("%s to %s", aj_require_text(r->load, "from"), aj_require_text(r->load, "to")));
	aj_html_row(o, "Covered", psprintf("%.2f %%, %.0f gaps", aj_number_at(r->valid, "covered_pct"), aj_number_at(r->valid, "gaps")));
	aj_html_row(o, "Nominal", psprintf("%.6g Ah, %.6g V, %s", r->b.config.capacity_ah, r->b.config.nominal_voltage_v, chemistry(r)));
	aj_html_row(o, "End of life", psprintf("%.4g %% of the nominal capacity", 100 * r->b.config.eol_retention));
	aj_html_row(o, "Time zone", r->b.config.timezone);
	appendStringInfoString(o, "</tbody></table></section><section><h2>Assumptions and methods</h2><ul class=\"notes\">");
	aj_html_notes(o, warnings);
	appendStringInfoString(o, "<li>Charge and energy are integrated by trapezoids, never over a gap.</li>"
						   "<li>Capacity: charge over change of the state of charge in deep windows, joined by total least squares (Plett 2011). It is as good as the state of charge the battery management system reports.</li>"
						   "<li>Resistance: voltage over current among samples of the same state of charge and direction.</li>"
						   "<li>Cycles: rainflow, ASTM E1049-85. Trends: Theil-Sen slope, Mann-Kendall test at 5 %.</li>"
						   "<li>End of life continues the slope; batteries may fade slower at first or faster at the end.</li>"
						   "</ul></section></div>\n");
}

static StringInfo
render(const Report *r)
{
	StringInfo	o = makeStringInfo();
	char	   *title = aj_param_text(r->b.in.params, "title", NULL);

	write_head(o, r, title ? title : psprintf("Battery %s", r->b.series->name));
	write_advice(o, r);
	write_soc(o, r);
	write_capacity(o, r);
	write_cycles(o, r);
	write_profile(o, r);
	write_anomalies(o, r);
	write_inputs(o, r);
	aj_html_end(o, "Computed by asyncjob inside PostgreSQL from the telemetry named above. What it could not tell is said to be not yet determinable.");
	return o;
}

/* ---- the step ---- */

/*
 * step_battery_store_results(input jsonb) returns jsonb
 */
Datum
aj_step_battery_store_results(PG_FUNCTION_ARGS)
{
	static const char *const daily[] = {"day", "charge_ah", "discharge_ah", "charge_kwh", "discharge_kwh", "soc_min", "soc_max",
	"soc_mean", "efc", "temp_mean_c", "pv_kwh", "load_kwh", "generator_kwh", "covered_h", NULL};
	static const char *const hourly[] = {"hour", "soc_mean", "battery_w", "load_w", "pv_w", NULL};
	static const char *const cycles[] = {"dod_from", "dod_to", "cycles", NULL};
	static const char *const anomalies[] = {"kind", "from", "to", "samples", "value", "expected", "unit", "score", NULL};
	static const char *const steps[] = {"initialize", "load_telemetry", "validate_telemetry", "energy_balance", "cycles",
	"capacity_resistance", "imbalance_temperature", "trend_forecast", "anomalies", "recommendations"};
	Report		r;
	JsonbContainer **out[] = {&r.init, &r.load, &r.valid, &r.balance, &r.cycles, &r.health, &r.climate, &r.trend, &r.odd, &r.advice};
	StringInfo	html;
	StringInfoData o;
	JsonbContainer *rain;

	memset(&r, 0, sizeof(r));
	aj_battery_input(PG_GETARG_JSONB_P(0), true, &r.b);
	for (int i = 0; i < (int) lengthof(steps); i++)
		*out[i] = aj_battery_step(&r.b, steps[i]);
	store_table("daily.csv", "battery_daily", aj_require_array(r.balance, "daily"), daily);
	store_table("hourly_profile.csv", "battery_hourly_profile", aj_require_array(r.balance, "hourly_profile"), hourly);
	rain = aj_determined(r.cycles, "rainflow");
	if (rain)
		store_table("cycles.csv", "battery_cycles", aj_require_array(rain, "histogram"), cycles);
	store_table("anomalies.csv", "battery_anomalies", aj_require_array(r.odd, "anomalies"), anomalies);
	aj_progress(0.5, "report");
	html = render(&r);
	aj_artifact("report.html", "battery_report", "text/html", html->data, html->len);

	initStringInfo(&o);
	appendStringInfoChar(&o, '{');
	for (int i = 0; i < (int) lengthof(steps); i++)
	{
		appendStringInfo(&o, "%s\"%s\":", i ? "," : "", steps[i]);
		JsonbToCString(&o, *out[i], 1024);
	}
	appendStringInfo(&o, ",\"artifacts\":[\"insights\",\"daily.csv\",\"hourly_profile.csv\",%s\"anomalies.csv\",\"report.html\"]}",
					 rain ? "\"cycles.csv\"," : "");
	aj_artifact("insights", "battery_insights", "application/json", o.data, o.len);
	PG_RETURN_JSONB_P(aj_jsonb_from_text(o.data));
}

/*-------------------------------------------------------------------------
 *
 * html.c
 *		What all reports have in common: the page and its styles.
 *
 * A report is one file that holds everything it shows: styles, drawings as
 * SVG, images as data URIs.  No script, no network; the content security
 * policy says so to the browser.  Readable on a phone and in print.  All text
 * that came from users goes through aj_html_text.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "html.h"

#include <math.h>

#include "common/base64.h"

static const char *const style =
"*{box-sizing:border-box}"
"body{margin:0;background:#f3f5f7;color:#1d2733;font:16px/1.5 system-ui,-apple-system,\"Segoe UI\",Roboto,\"Helvetica Neue\",Arial,sans-serif}"
"main{max-width:1080px;margin:0 auto;padding:28px 20px 48px}"
"header p,.muted{color:#56636f}"
"h1{font-size:1.9rem;line-height:1.2;margin:0 0 .2em;overflow-wrap:anywhere}"
"h2{font-size:1.2rem;margin:0 0 .7em}"
"h3{font-size:1rem;margin:1em 0 .3em}"
"header p{margin:0}"
"section{background:#fff;border:1px solid #dfe4e9;border-radius:8px;padding:20px;margin-top:20px}"
".figures{display:grid;grid-template-columns:repeat(6,minmax(0,1fr));gap:12px;margin-top:20px}"
".figures div{background:#fff;border:1px solid #dfe4e9;border-radius:8px;padding:14px 13px}"
".figures b{display:block;font-size:1.5rem;line-height:1.25}.figures small{font-size:.82rem;font-weight:500;white-space:nowrap}"
".figures span{color:#56636f;font-size:.86rem}"
".figures .lead{background:#0b3954;border-color:#0b3954;color:#fff}"
".figures .lead span{color:#cfe0ea}"
"svg{display:block;width:100%;height:auto;font-family:inherit}"
"svg text{fill:#1d2733}svg.map text{fill:inherit}"
"svg.map{border-radius:5px;background:#e8ecef}svg.map.fit{min-width:0}"
"svg.map text[fill=\"#fff\"]{fill:#fff}svg.map text[fill=\"#1d2733\"]{fill:#1d2733}"
"svg.chart text{font-size:13px}svg.chart .axis{fill:#56636f;font-size:12px}"
".halo{paint-order:stroke;stroke:#fff;stroke-width:2.5px;stroke-linejoin:round}"
".key{list-style:none;display:flex;flex-wrap:wrap;gap:4px 18px;margin:14px 0 0;padding:0;font-size:.88rem}"
".key li{display:flex;align-items:center;gap:7px}"
".key+table,.key+.scroll,.key+p{margin-top:14px}"
".key i{display:inline-block;width:15px;height:15px;border-radius:3px;flex:none}"
".key i.toned{background:#c8463c;opacity:.55}"
".key i.dot{border-radius:50%}.key i.stroke{height:4px;border-radius:2px}"
".key i.line{background:none;border:2.5px solid #1d2733}"
".key i.diamond{transform:rotate(45deg) scale(.72);border:2px solid #1d2733}"
".heat{display:block;width:100%;height:150px;image-rendering:pixelated;border-radius:4px}"
".ramp{display:inline-block;width:110px;height:12px;border-radius:3px;vertical-align:-1px}"
".two{display:grid;grid-template-columns:minmax(0,5fr) minmax(0,7fr);gap:20px}"
".two.even{grid-template-columns:repeat(2,minmax(0,1fr))}"
".two section{margin-top:0}.two{margin-top:20px}"
".rose{max-width:360px;margin:0 auto}.bars{max-width:560px}"
".scroll{overflow-x:auto}"
".advice{border-left:5px solid #357fab;padding:2px 0 2px 14px;margin:14px 0}.advice.high{border-color:#c8463c}.advice.medium{border-color:#d98e04}"
".advice b{display:block}.advice p{margin:.2em 0}"
"table{border-collapse:collapse;width:100%;font-size:.9rem;font-variant-numeric:tabular-nums}"
"th,td{padding:5px 10px;text-align:right;border-bottom:1px solid #e7ebef;white-space:nowrap}"
"th{font-weight:600;color:#56636f;vertical-align:bottom}"
"td:first-child,th:first-child{text-align:left}"
"tfoot td{font-weight:700;border-top:2px solid #1d2733;border-bottom:0}"
"td.bar{width:110px;padding-left:4px}td.bar i{display:block;height:10px;border-radius:2px;background:#6aa6c8}"
"table.plain td,table.plain th{text-align:left;white-space:normal;overflow-wrap:break-word}"
"table.plain th{width:38%;vertical-align:top}"
"ul.notes{margin:0;padding-left:1.2em}ul.notes li{margin:.3em 0}"
"footer{color:#56636f;font-size:.85rem;margin-top:22px}"
"@media screen and (max-width:960px){.figures{grid-template-columns:repeat(3,minmax(0,1fr))}}"
"@media screen and (max-width:540px){.figures{grid-template-columns:repeat(2,minmax(0,1fr))}.figures b{font-size:1.3rem}}"
"@media screen and (max-width:760px){.two,.two.even{grid-template-columns:minmax(0,1fr)}main{padding:18px 12px 32px}section{padding:14px}svg.map{min-width:700px}svg.wide{min-width:720px}svg.chart.wide text{font-size:16px}svg.chart.wide .axis{font-size:15px}svg.chart:not(.wide) text{font-size:15px}svg.chart:not(.wide) .axis{font-size:14.5px}h1{font-size:1.5rem}th,td{padding:5px 7px}}"
"@media print{@page{margin:14mm}html{font-size:13px}body{background:#fff;font-size:12px}main{max-width:none;padding:0}"
"section,.figures div{break-inside:avoid;border-color:#bbb}section.long{break-inside:auto}tr{break-inside:avoid}h2{break-after:avoid}"
".figures{grid-template-columns:repeat(3,1fr)}svg.map{max-height:140mm;min-width:0}svg.flow{max-height:120mm}tfoot{display:table-row-group}svg.wide{min-width:0}.scroll{overflow:visible}footer{margin-top:10px;break-before:avoid}"
"svg.chart text{font-size:16px}svg.chart .axis{font-size:15px}h2{margin-bottom:.4em}section{padding:14px;margin-top:14px}.two,.figures{margin-top:14px;gap:14px}"
"*{-webkit-print-color-adjust:exact;print-color-adjust:exact}}";

void
aj_html_text(StringInfo b, const char *text)
{
	for (const char *p = text ? text : ""; *p; p++)
	{
		switch (*p)
		{
			case '&':
				appendStringInfoString(b, "&amp;");
				break;
			case '<':
				appendStringInfoString(b, "&lt;");
				break;
			case '>':
				appendStringInfoString(b, "&gt;");
				break;
			case '"':
				appendStringInfoString(b, "&quot;");
				break;
			case '\'':
				appendStringInfoString(b, "&#39;");
				break;
			default:
				/* control characters have no place in a document */
				if ((unsigned char) *p >= ' ' || *p == '\n' || *p == '\t')
					appendStringInfoChar(b, *p);
		}
	}
}

void
aj_html_begin(StringInfo b, const char *title)
{
	appendStringInfoString(b, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
						   "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">"
						   "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">"
						   "<title>");
	aj_html_text(b, title);
	appendStringInfo(b, "</title><style>%s</style></head>\n<body><main><header><h1>",
					 style);
	aj_html_text(b, title);
	appendStringInfoString(b, "</h1>");
}

void
aj_html_end(StringInfo b, const char *footer)
{
	appendStringInfo(b, "<footer>%s</footer>\n</main></body></html>\n", footer);
}

char *
aj_html_number(double v, int decimals)
{
	char	   *plain;
	char	   *dot;
	int			whole;
	StringInfoData b;

	if (!isfinite(v))
		return pstrdup("&ndash;");
	plain = psprintf("%.*f", decimals, v);
	/* no minus before a zero */
	if (plain[0] == '-' && strspn(plain, "-0.") == strlen(plain))
		plain++;
	dot = strchr(plain, '.');
	whole = dot ? (int) (dot - plain) : (int) strlen(plain);
	initStringInfo(&b);
	for (int i = 0; plain[i]; i++)
	{
		if (i > 0 && i < whole && (whole - i) % 3 == 0 && plain[i - 1] != '-')
			appendStringInfoString(&b, "&#8239;");
		if (plain[i] == '-')
			appendStringInfoString(&b, "&minus;");
		else
			appendStringInfoChar(&b, plain[i]);
	}
	return b.data;
}

void
aj_html_figure(StringInfo b, bool lead, const char *value, const char *label)
{
	appendStringInfo(b, "<div%s><b>%s</b><span>%s</span></div>",
					 lead ? " class=\"lead\"" : "", value, label);
}

void
aj_html_row(StringInfo b, const char *label, const char *text)
{
	appendStringInfo(b, "<tr><th>%s</th><td>", label);
	aj_html_text(b, text);
	appendStringInfoString(b, "</td></tr>");
}

void
aj_html_notes(StringInfo b, JsonbContainer *notes)
{
	for (uint32 i = 0; notes && i < JsonContainerSize(notes); i++)
	{
		JsonbValue *v = getIthJsonbValueFromContainer(notes, i);

		if (v->type != jbvString)
			continue;
		appendStringInfoString(b, "<li>");
		aj_html_text(b, pnstrdup(v->val.string.val, v->val.string.len));
		appendStringInfoString(b, "</li>");
	}
}

void
aj_html_png(StringInfo b, const void *png, Size len)
{
	int			b64len = pg_b64_enc_len(len);
	char	   *b64 = palloc_extended(b64len + 1, MCXT_ALLOC_HUGE);

	b64len = pg_b64_encode(png, len, b64, b64len);
	if (b64len < 0)
		elog(ERROR, "could not encode an image");
	b64[b64len] = '\0';
	appendStringInfo(b, "data:image/png;base64,%s", b64);
	pfree(b64);
}

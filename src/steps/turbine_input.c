/*-------------------------------------------------------------------------
 *
 * turbine_input.c
 *		Turbines: from jsonb to checked tables.
 *
 * Two kinds.  "table": power and thrust coefficient over wind speed at hub
 * height, read linearly in between, nothing below cut-in and above cut-out.
 * "iea37": the formula of IEA Wind Task 37's case study 1,
 *		P = rated ((u - cut_in) / (rated_speed - cut_in))^3
 * up to rated speed, rated from there to cut-out, constant thrust
 * coefficient.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "inputs.h"

#include <math.h>

PG_FUNCTION_INFO_V1(aj_check_turbine);

/* the row as the same JSON that load_turbine() takes */
#define TURBINE_ROW \
	"pg_catalog.jsonb_build_object('kind', kind, 'rated_kw', rated_kw," \
	" 'rotor_diameter_m', rotor_diameter_m, 'hub_height_m', hub_height_m," \
	" 'cut_in_m_s', cut_in_m_s, 'rated_m_s', rated_m_s," \
	" 'cut_out_m_s', cut_out_m_s, 'speed_m_s', speed_m_s," \
	" 'power_kw', power_kw, 'ct', ct, 'ct_const', ct_const)"

static const char *const turbine_keys[] = {
	"name", "kind", "rated_kw", "rotor_diameter_m", "hub_height_m",
	"cut_in_m_s", "rated_m_s", "cut_out_m_s", "speed_m_s", "power_kw", "ct",
	"ct_const", "source", NULL
};

static const char *const kinds[] = {"table", "iea37", NULL};

static AJ_NORETURN void
refuse(const char *name, const char *what, const char *hint)
{
	aj_step_error(AJ_ERRCODE_VALIDATION, "turbine_invalid",
				  psprintf("turbine \"%s\" is invalid: %s", name, what),
				  NULL, hint);
}

static void
parse_table(AjTurbine *t, JsonbContainer *c)
{
	int			np,
				nct;

	t->kind = AJ_TURBINE_TABLE;
	aj_require_array(c, "speed_m_s");
	aj_require_array(c, "power_kw");
	aj_require_array(c, "ct");
	t->speed_m_s = aj_param_numbers(c, "speed_m_s", &t->n, 0, 100);
	t->power_kw = aj_param_numbers(c, "power_kw", &np, 0, 50000);
	t->ct = aj_param_numbers(c, "ct", &nct, 0, 1.5);
	if (t->n < 2 || np != t->n || nct != t->n)
		refuse(t->name,
			   psprintf("speed_m_s, power_kw and ct have %d, %d and %d values",
						t->n, np, nct),
			   "Give the three lists the same length, at least 2.");
	for (int i = 1; i < t->n; i++)
		if (t->speed_m_s[i] <= t->speed_m_s[i - 1])
			refuse(t->name,
				   psprintf("speed_m_s does not ascend at %.10g",
							t->speed_m_s[i]),
				   "Sort the table by speed and give each speed once.");
	for (int i = 0; i < t->n; i++)
		if (t->power_kw[i] > t->rated_kw * 1.1)
			refuse(t->name,
				   psprintf("power_kw is %.10g at %.10g m/s, rated_kw is %.10g",
							t->power_kw[i], t->speed_m_s[i], t->rated_kw),
				   "Give power in kW, not more than 1.1 times rated_kw.");
	t->cut_in_m_s = aj_param_number(c, "cut_in_m_s", t->speed_m_s[0], 0, 100);
	t->cut_out_m_s = aj_param_number(c, "cut_out_m_s",
									 t->speed_m_s[t->n - 1], 0, 100);
	t->rated_m_s = aj_param_number(c, "rated_m_s", NAN, 0, 100);
}

static void
parse_iea37(AjTurbine *t, JsonbContainer *c)
{
	t->kind = AJ_TURBINE_IEA37;
	t->cut_in_m_s = aj_require_number(c, "cut_in_m_s", 0, 100);
	t->rated_m_s = aj_require_number(c, "rated_m_s", 0, 100);
	t->cut_out_m_s = aj_require_number(c, "cut_out_m_s", 0, 100);
	t->ct_const = aj_param_number(c, "ct_const", 8.0 / 9.0, 0, 1);
	if (!(t->cut_in_m_s < t->rated_m_s && t->rated_m_s < t->cut_out_m_s))
		refuse(t->name, "cut_in_m_s, rated_m_s and cut_out_m_s do not ascend",
			   "Give cut_in_m_s < rated_m_s < cut_out_m_s.");
}

AjTurbine *
aj_turbine_parse(JsonbContainer *c, const char *name)
{
	AjTurbine  *t = palloc0(sizeof(AjTurbine));

	aj_check_params(c, turbine_keys);
	t->name = pstrdup(name);
	t->rated_kw = aj_require_number(c, "rated_kw", 0.1, 50000);
	t->rotor_diameter_m = aj_require_number(c, "rotor_diameter_m", 1, 500);
	t->hub_height_m = aj_require_number(c, "hub_height_m", 1, 500);
	if (t->hub_height_m < 0.5 * t->rotor_diameter_m)
		refuse(name,
			   psprintf("its rotor of %.6g m would reach the ground at hub height %.6g m",
						t->rotor_diameter_m, t->hub_height_m),
			   "Give the rotor's diameter, not its radius, and the height of the hub above ground, both in metres.");
	t->ct_const = NAN;
	if (strcmp(aj_param_choice(c, "kind", "table", kinds), "table") == 0)
		parse_table(t, c);
	else
		parse_iea37(t, c);
	if (t->cut_in_m_s >= t->cut_out_m_s)
		refuse(t->name, "cut_in_m_s is not below cut_out_m_s",
			   "Give cut_in_m_s < cut_out_m_s.");
	return t;
}

/* Split "a, b, c" in place into a NULL-terminated list. */
static const char *const *
split_names(char *names)
{
	int			n = 1;
	const char **list;

	for (char *p = names; *p; p++)
		n += *p == ',';
	list = palloc0((n + 1) * sizeof(char *));
	for (int i = 0; i < n; i++)
	{
		list[i] = names;
		names = strstr(names, ", ");
		if (names == NULL)
			break;
		*names = '\0';
		names += 2;
	}
	return list;
}

AjTurbine *
aj_turbine_named(const char *name)
{
	char	   *names;
	Jsonb	   *row = aj_input_row("turbine", TURBINE_ROW, name, &names);

	if (row == NULL)
	{
		const char *near = aj_closest(name, split_names(pstrdup(names)));

		aj_step_error(AJ_ERRCODE_VALIDATION, "unknown_turbine",
					  psprintf("turbine \"%s\" is unknown", name),
					  psprintf("Known are: %s.", names),
					  near ? psprintf("Perhaps you meant \"%s\"; others are loaded with asyncjob.load_turbine(name, turbine).", near) :
					  "Name one of these or load yours with asyncjob.load_turbine(name, turbine).");
	}
	return aj_turbine_parse(&row->root, name);
}

AjTurbine *
aj_turbine_get(JsonbContainer *params, const char *key, const char *dflt)
{
	JsonbValue	v;

	if (!aj_param_exists(params, key))
	{
		if (dflt == NULL)
			aj_require_text(params, key);
		return aj_turbine_named(dflt);
	}
	getKeyJsonValueFromContainer(params, key, strlen(key), &v);
	if (v.type == jbvString)
		return aj_turbine_named(pnstrdup(v.val.string.val, v.val.string.len));
	else
	{
		JsonbContainer *c = aj_require_object(params, key);

		return aj_turbine_parse(c, aj_param_text(c, "name", "inline"));
	}
}

/*
 * check_turbine(turbine jsonb) returns jsonb
 */
Datum
aj_check_turbine(PG_FUNCTION_ARGS)
{
	Jsonb	   *arg = PG_GETARG_JSONB_P(0);
	AjTurbine  *t = aj_turbine_parse(&arg->root,
									 aj_param_text(&arg->root, "name",
												   "inline"));
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfo(&buf, "{\"kind\":\"%s\",\"rated_kw\":",
					 t->kind == AJ_TURBINE_TABLE ? "table" : "iea37");
	aj_json_number(&buf, t->rated_kw, 6);
	appendStringInfoString(&buf, ",\"cut_in_m_s\":");
	aj_json_number(&buf, t->cut_in_m_s, 9);
	appendStringInfoString(&buf, ",\"cut_out_m_s\":");
	aj_json_number(&buf, t->cut_out_m_s, 9);
	if (t->kind == AJ_TURBINE_IEA37)
		appendStringInfo(&buf, ",\"ct_const\":%.17g", t->ct_const);
	appendStringInfoChar(&buf, '}');
	PG_RETURN_JSONB_P(aj_jsonb_from_text(buf.data));
}

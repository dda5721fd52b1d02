/*-------------------------------------------------------------------------
 *
 * asset_types.c
 *		Kinds of assets, and mixes of them.
 *
 * Footprints, pads and slope limits are those of the source documents.
 * There a capacity was drawn at random from a range; here it is the area of
 * the footprint times a density, which puts each type within that range:
 *		solar_array		100-500 kW		0.2 kW per m2 of module: 120 kW
 *		battery			50-200 kW		containers with access: 150 kW
 *		generator		100-300 kW		gas engine: 200 kW
 *		substation		500-2000 kVA	1200 kVA; transforms, doesn't generate
 *		wind_turbine	1000-5000 kW	3600 kW
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "asset_types.h"

const AjAssetType aj_asset_types[AJ_NASSET_TYPES] = {
	{"solar_array", "Solar array", 30, 20, 35, 10, 5, 0.2, 0, true},
	{"battery", "Battery", 15, 10, 20, 4, 2, 1.0, 0, false},
	{"generator", "Generator", 10, 8, 15, 5, 3, 2.5, 0, false},
	{"substation", "Substation", 20, 15, 25, 3, 1, 4.0, 0, false},
	{"wind_turbine", "Wind turbine", 60, 60, 80, 15, 8, 1.0, 500, false}
};

const char *const aj_asset_names[AJ_NASSET_TYPES + 1] = {
	"solar_array", "battery", "generator", "substation", "wind_turbine", NULL
};

static const AjAssetProfile profiles[] = {
	{"gas_bess", {0, 0.4, 0.6, 0, 0}},
	{"solar_farm", {1, 0, 0, 0, 0}},
	{"wind_hybrid", {0.2, 0.1, 0, 0, 0.7}},
	{"hybrid", {0.5, 0.3, 0.2, 0, 0}}
};

int
aj_asset_kind(const char *name)
{
	for (int i = 0; i < AJ_NASSET_TYPES; i++)
		if (strcmp(name, aj_asset_types[i].name) == 0)
			return i;
	return -1;
}

void
aj_asset_types_get(JsonbContainer *params, AjAssetType types[AJ_NASSET_TYPES])
{
	static const char *const known[] = {
		"footprint_length_m", "footprint_width_m", "pad_m", "max_slope_deg",
		"optimal_slope_deg", "kw_per_m2", "apart_m", NULL
	};
	JsonbContainer *given = aj_param_object(params, "assets");

	memcpy(types, aj_asset_types, sizeof(aj_asset_types));
	aj_check_params(given, aj_asset_names);
	for (int i = 0; i < AJ_NASSET_TYPES; i++)
	{
		AjAssetType *t = &types[i];
		JsonbContainer *c = aj_param_object(given, t->name);
		double		longest;

		aj_check_params(c, known);
		t->length_m = aj_param_number(c, "footprint_length_m", t->length_m, 1, 1000);
		t->width_m = aj_param_number(c, "footprint_width_m", t->width_m, 1, 1000);
		longest = Max(t->length_m, t->width_m);

		/* a larger footprint brings its pad with it, if none is given */
		t->pad_m = aj_param_number(c, "pad_m", Max(t->pad_m, longest),
								   longest, 1500);
		t->max_slope_deg = aj_param_number(c, "max_slope_deg",
										   t->max_slope_deg, 0.1, 45);
		t->optimal_slope_deg = aj_param_number(c, "optimal_slope_deg",
											   Min(t->optimal_slope_deg, t->max_slope_deg),
											   0, t->max_slope_deg);
		t->kw_per_m2 = aj_param_number(c, "kw_per_m2", t->kw_per_m2, 0.001, 1000);
		t->apart_m = aj_param_number(c, "apart_m", t->apart_m, 0, 20000);
	}
}

const AjAssetProfile *
aj_asset_profile(JsonbContainer *params)
{
	static const char *const names[] = {
		"gas_bess", "solar_farm", "wind_hybrid", "hybrid", NULL
	};
	const char *name = aj_param_choice(params, "profile", "gas_bess", names);

	for (int i = 0; i < (int) lengthof(profiles); i++)
		if (strcmp(profiles[i].name, name) == 0)
			return &profiles[i];
	return &profiles[0];
}

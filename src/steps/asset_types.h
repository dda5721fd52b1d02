/*-------------------------------------------------------------------------
 *
 * asset_types.h
 *		What can stand on a site beside wind turbines of a layout: kinds of
 *		assets, and mixes of them.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJ_ASSET_TYPES_H
#define AJ_ASSET_TYPES_H

#include "step_util.h"

typedef enum AjAssetKind
{
	AJ_ASSET_SOLAR,
	AJ_ASSET_BATTERY,
	AJ_ASSET_GENERATOR,
	AJ_ASSET_SUBSTATION,
	AJ_ASSET_TURBINE
}			AjAssetKind;

#define AJ_NASSET_TYPES 5

typedef struct AjAssetType
{
	const char *name;
	const char *label;			/* for people */
	double		length_m;		/* footprint, east-west */
	double		width_m;		/* north-south */
	double		pad_m;			/* side of the square that is levelled */
	double		max_slope_deg;
	double		optimal_slope_deg;
	double		kw_per_m2;		/* capacity of a footprint's square metre */
	double		apart_m;		/* centre to centre among their own kind */
	bool		faces_sun;		/* the equator's side of a hill is better */
} AjAssetType;

/* The built-in types, by AjAssetKind. */
extern const AjAssetType aj_asset_types[AJ_NASSET_TYPES];

/*
 * The types with what params["assets"] changes: {"battery": {"pad_m": 25,
 * ...}, ...}.  Raises parameter_unknown and unit_or_range.
 */
extern void aj_asset_types_get(JsonbContainer *params,
							   AjAssetType types[AJ_NASSET_TYPES]);

/* -1 if there is none of that name */
extern int	aj_asset_kind(const char *name);

/* Names of the types, NULL-terminated. */
extern const char *const aj_asset_names[AJ_NASSET_TYPES + 1];

static inline double
aj_asset_kw(const AjAssetType *t)
{
	return t->length_m * t->width_m * t->kw_per_m2;
}

/* Which types a profile has, as shares of the target capacity. */
typedef struct AjAssetProfile
{
	const char *name;
	double		share[AJ_NASSET_TYPES];
} AjAssetProfile;

extern const AjAssetProfile *aj_asset_profile(JsonbContainer *params);

#endif							/* AJ_ASSET_TYPES_H */

/*-------------------------------------------------------------------------
 *
 * inputs.h
 *		What the steps read: sites, wind resources, turbines.
 *
 * Each is either named in the parameters, and then comes from the table of
 * that kind (the caller's own row first, then a built-in one), or written
 * out inline as the same JSON that the loader of that table takes.  Both
 * ways go through the same checks.
 *
 * Everything returned is palloc'd in the current memory context; no lock
 * or snapshot is kept.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJ_INPUTS_H
#define AJ_INPUTS_H

#include "step_util.h"

/* ---- turbine ---- */

typedef enum AjTurbineKind
{
	AJ_TURBINE_TABLE,			/* speed, power and ct arrays */
	AJ_TURBINE_IEA37			/* P = rated ((u - in)/(rated - in))^3 */
} AjTurbineKind;

typedef struct AjTurbine
{
	char	   *name;
	AjTurbineKind kind;
	double		rated_kw;
	double		rotor_diameter_m;
	double		hub_height_m;
	double		cut_in_m_s;
	double		rated_m_s;		/* used by AJ_TURBINE_IEA37 */
	double		cut_out_m_s;
	double		ct_const;		/* used by AJ_TURBINE_IEA37 */
	int			n;				/* rows of the table */
	double	   *speed_m_s;		/* strictly ascending */
	double	   *power_kw;
	double	   *ct;
} AjTurbine;

/*
 * The turbine that params[key] names or holds inline; dflt (a name) where
 * absent.  unknown_turbine lists the closest names.
 */
extern AjTurbine *aj_turbine_get(JsonbContainer *params, const char *key,
								 const char *dflt);
extern AjTurbine *aj_turbine_named(const char *name);

/* ---- wind resource ---- */

typedef enum AjWindKind
{
	AJ_WIND_ROSE,				/* probability per direction and speed */
	AJ_WIND_WEIBULL				/* frequency, A, k per sector */
} AjWindKind;

/* Weibull distributions that a wind resource may have: scale, m/s, and shape */
#define AJ_WEIBULL_LEAST_A	0.1
#define AJ_WEIBULL_MOST_A	50.0
#define AJ_WEIBULL_LEAST_K	0.5
#define AJ_WEIBULL_MOST_K	10.0

typedef struct AjWind
{
	char	   *name;
	AjWindKind	kind;
	int			ndir;
	double	   *direction_deg;	/* from where it blows, clockwise from north */
	int			nspeed;			/* rose: >= 1 */
	double	   *speed_m_s;
	double	   *probability;	/* rose: [ndir][nspeed]; sums to 1 */
	double	   *frequency;		/* [ndir]; sums to 1 (rose: row sums) */
	double	   *weibull_a_m_s;	/* weibull: [ndir] */
	double	   *weibull_k;
	double		turbulence_intensity;
	double		height_m;		/* the speeds are valid here; 0 unknown */
	double		shear_alpha;	/* power law exponent; NaN unknown */
	double		air_density_kg_m3;
	char	   *source;			/* NULL if not told */
} AjWind;

/*
 * The wind resource that params[key] names or holds inline.  Absent is an
 * error (wind_resource_missing) that says how to provide one.
 */
extern AjWind *aj_wind_get(JsonbContainer *params, const char *key);

/* Parsers of the inline form, as the loaders use them. */
extern AjTurbine *aj_turbine_parse(JsonbContainer *c, const char *name);
extern AjWind *aj_wind_parse(JsonbContainer *c, const char *name);

/* ---- site ---- */

typedef enum AjShape
{
	AJ_SHAPE_POINT,
	AJ_SHAPE_LINE,
	AJ_SHAPE_POLYGON
} AjShape;

/* A ring, a line or a point; a ring's last point is not its first. */
typedef struct AjPath
{
	int			n;
	double	   *lon;
	double	   *lat;
	double	   *x;				/* grid metres; set by aj_site_grid_load */
	double	   *y;
	bool		hole;
	int			part;			/* which polygon of a MultiPolygon */
} AjPath;

/* A zone that costs less may be built on and crossed, at that cost. */
#define AJ_HARD_ZONE	100.0

typedef struct AjZone
{
	char	   *zone_type;		/* environmental, infrastructure, ... */
	char	   *name;			/* NULL if not told */
	double		buffer_m;
	double		cost_multiplier;	/* of roads; excludes from AJ_HARD_ZONE on */
	AjShape		shape;
	int			npaths;
	AjPath	   *paths;
} AjZone;

typedef struct AjSite
{
	char	   *name;
	int			nrings;			/* boundary: exteriors and holes */
	AjPath	   *rings;
	int			nzones;
	AjZone	   *zones;
	bool		has_entry;
	double		entry_lon;
	double		entry_lat;
	double		west,			/* bounding box of the boundary */
				south,
				east,
				north;
} AjSite;

/*
 * The site that params["site"] names or holds: a name, a GeoJSON object, or
 * {"longitude", "latitude", "radius_km"}; the latter three also directly in
 * params.  Absent is an error (site_missing).
 */
extern AjSite *aj_site_get(JsonbContainer *params);

/* Parse and check GeoJSON; raises coordinates_out_of_range, boundary_... */
extern AjSite *aj_site_parse(JsonbContainer *geojson, const char *name);

/*
 * One jsonb expression over the row of asyncjob.<table> that has this name,
 * the caller's own before everybody's; NULL, and *names a list of those
 * that are there, if there is none.
 */
extern Jsonb *aj_input_row(const char *table, const char *expression,
						   const char *name, char **names);

#endif							/* AJ_INPUTS_H */

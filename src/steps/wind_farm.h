/*-------------------------------------------------------------------------
 *
 * wind_farm.h
 *		What the wind steps share: turbine, wind and wakes for the kernels.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJ_WIND_FARM_H
#define AJ_WIND_FARM_H

#include "site_grid.h"

#include "../kernels/wake.h"

#define AJ_DEFAULT_TURBINE	"IEA_3.4MW_130"
#define AJ_MAX_TURBINES		2000
#define AJ_MAX_TURBINE_TYPES 16

/* Parameters read here, for aj_check_params lists. */
#define AJ_WIND_FARM_PARAMS \
	"turbine", "turbines", "wind", "wake_model", "k", "induction", \
	"turbulence_intensity", "shear_alpha", "rotor_average"
#define AJ_WIND_SERIES_PARAMS \
	"series", "sectors", "speed_bin_m_s", "weibull_method", \
	"calm_m_s", "max_speed_m_s", "frozen_records", "min_recovery_pct", \
	"min_records", "air_density_kg_m3", "elevation_m", "temperature_c"
#define AJ_WIND_RESOURCE_PARAMS \
	AJ_WIND_SERIES_PARAMS, "wind", "hub_height_m", "shear_alpha"
#define AJ_LAYOUT_SEARCH_PARAMS \
	"n_turbines", "target_capacity_kw", "min_spacing_d", \
	"max_evaluations", "n_starts", "time_budget_s"
#define AJ_LAYOUT_PARAMS \
	"n_turbines", "target_capacity_kw", "min_spacing_d", "seed", \
	"max_evaluations", "n_starts", "time_budget_s"
#define AJ_SIMULATION_PARAMS \
	"superposition", "wd_step_deg", "availability_loss_pct", \
	"electrical_loss_pct", "other_loss_pct", "uncertainty_pct", \
	"flow_map_resolution_m", "flow_direction_deg", "flow_speed_m_s"

typedef struct AjFarmInput
{
	/* one type of turbine, or several in the order of the parameter */
	int			ntypes;
	AjTurbine  *types[AJ_MAX_TURBINE_TYPES];
	AjkTurbine *ktypes;			/* point into types */
	int			count[AJ_MAX_TURBINE_TYPES];	/* asked for; 0: not given */
	double		share[AJ_MAX_TURBINE_TYPES];	/* of capacity; NaN: not given */

	/*
	 * Speed at each type's hub (or over its rotor) over that of the climate,
	 * which is the first type's.
	 */
	double		speed_factor[AJ_MAX_TURBINE_TYPES];

	AjTurbine  *turbine;		/* the first type */
	AjWind	   *wind;			/* NULL: a step wind_resource will make it */
	AjkWake		wake;
	double		wd_step_deg;	/* of a Weibull resource */
	double		shear_alpha;	/* NaN where none is known */
	double		shear_factor;	/* speeds at hub height / as loaded */
	double		rotor_factor;	/* over the rotor / at hub height; 1 not asked */
} AjFarmInput;

/*
 * Turbine positions in ground metres about the farm's middle, x east and y
 * north of a UTM grid, whose north is true_north_deg anticlockwise of true
 * north's direction (see AjkFarm).  lon and lat are NULL for a layout given
 * in plain metres, whose grid north is true north.
 */
typedef struct AjPositions
{
	int			n;
	char	  **turbine;		/* name of each one's type, NULL: not told */
	int		   *type;			/* of AjFarmInput's; NULL: all are of one */
	double	   *x;
	double	   *y;
	double	   *lon;
	double	   *lat;
	double		true_north_deg;
	int			zone;			/* UTM; 0 for plain metres */
	bool		south;
	double		mx;				/* the middle in the zone's metres */
	double		my;
	double		k;				/* zone's metres per ground metre; 1 */
} AjPositions;

/*
 * A GeoJSON FeatureCollection of points, or an array of [x_m, y_m]; in both a
 * turbine may name its type.
 */
extern AjPositions *aj_positions_parse(JsonbContainer *layout);

/*
 * The turbines are the parameter "turbine" or "turbines"; where places are
 * given (pos not NULL), those that they name, and pos->type is set.
 *
 * The wind is the parameter of that name, else what an earlier step
 * "wind_resource" of the job has made of the parameter "series".  Where that
 * step is still to come, at submit, in->wind is NULL.
 */
extern void aj_farm_input(const AjStepInput *input, AjkWakeModel model,
						  bool at_submit, AjPositions *pos, AjFarmInput *in);

/* The climate at hub height; its arrays are palloc'd, don't ajk_wind_free. */
extern void aj_farm_climate(const AjFarmInput *in, AjkWind *climate);

/* For the kernels; points into in and pos. */
extern AjkFarm aj_farm(const AjFarmInput *in, const AjPositions *pos);

extern double aj_farm_mean_speed(const AjFarmInput *in);

/* What was assumed, as sentences; NULL-terminated. */
extern char **aj_farm_assumptions(const AjFarmInput *in);

/* ----
 * Types of turbines (turbine_types.c)
 * ----
 */

/* Parameters "turbine" and "turbines"; then those that places name. */
extern void aj_turbine_types(JsonbContainer *params, AjFarmInput *in);
extern void aj_turbine_assign(AjPositions *pos, AjFarmInput *in);

/*
 * How many turbines of each type a layout shall have, by the parameters
 * n_turbines, target_capacity_kw or the types' counts; their sum.
 */
extern int	aj_turbine_counts(JsonbContainer *params, const AjFarmInput *in,
							  int *count);

/* kW of so many of each type */
extern double aj_turbine_capacity(const AjFarmInput *in, const int *count);

/* For a reader: "12 A, 5 B", or the only type's name */
extern char *aj_turbine_text(const AjFarmInput *in, const int *count);

/* Of how many turbines each type is; count has AJ_MAX_TURBINE_TYPES. */
extern void aj_positions_count(const AjPositions *pos, int *count);


/* Clockwise angle from grid north to true north of a UTM zone at a place. */
extern double aj_true_north(int zone, bool south, double lon, double lat);

/* Refuses what a kernel may return but a caller cannot mend. */
extern void aj_kernel_failed(AjkError err, const char *what);

/* The steps' halves of a submit-time check */
extern void aj_check_layout_params(const AjStepInput *input);
extern void aj_check_simulation_params(const AjStepInput *input,
									   AjPositions *pos);
extern void aj_check_wind_resource_params(JsonbContainer *params);

#endif							/* AJ_WIND_FARM_H */

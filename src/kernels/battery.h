/*-------------------------------------------------------------------------
 *
 * battery.h
 *		What a battery's telemetry says about the battery.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJK_BATTERY_H
#define AJK_BATTERY_H

#include "kernel.h"

/*
 * n samples, times strictly ascending.  A channel is NULL where there is
 * none, a value NaN where it is not known.  Current is positive when charging.
 */
typedef struct AjkTelemetry
{
	int			n;
	const double *t;			/* seconds */
	const double *soc;			/* 0..1 */
	const double *current;		/* A */
	const double *voltage;		/* V */
	const double *temp;			/* degrees C */
	const double *cell_min;		/* V */
	const double *cell_max;		/* V */
	const double *pv;			/* W */
	const double *load;			/* W */
	const double *generator;	/* W */
	double		max_gap_s;		/* longer steps are not integrated over */
} AjkTelemetry;

/* Median step, s; NaN with less than two samples. */
extern double ajk_median_step(const double *t, int n);

static inline bool
ajk_gap_before(const AjkTelemetry *d, int i)
{
	return d->t[i] - d->t[i - 1] > d->max_gap_s;
}

/* ---- validation ---- */

typedef struct AjkTelemetryCheck
{
	double		step_s;			/* median */
	double		span_s;
	double		covered_s;		/* without gaps */
	int			gaps;
	double		longest_gap_s;
	double		longest_gap_at; /* its beginning */
	double		sign;			/* correlation of current and change of soc */
	double		median_voltage; /* NaN where there is none */
	double		largest_current;
	double		median_current; /* of the absolute values */
} AjkTelemetryCheck;

extern AjkError ajk_telemetry_check(const AjkTelemetry *d,
									AjkTelemetryCheck *out);

/* ---- energy ---- */

typedef struct AjkEnergy
{
	double		charge_ah;
	double		discharge_ah;
	double		charge_kwh;
	double		discharge_kwh;
	double		soc_change;		/* sum over stretches without gap */
	double		soc_throughput; /* sum of |change| */
	/* the same, charge and hours where current and soc are both known */
	double		soc_change_ah;
	double		charge_soc_ah;
	double		discharge_soc_ah;
	double		soc_current_h;
	double		pv_kwh;
	double		load_kwh;
	double		generator_kwh;
	double		generator_h;
	double		hours;			/* covered */
	/* of them, with both ends known: soc, current, current and voltage, ... */
	double		soc_h;
	double		current_h;
	double		power_h;
	double		pv_h;
	double		load_h;
	double		generator_known_h;
} AjkEnergy;

/* Sums over the samples from .. to - 1 */
extern void ajk_battery_energy(const AjkTelemetry *d, int from, int to,
							   AjkEnergy *out);

/*
 * Coulombic and energy efficiency between equal states of charge, NaN where
 * current or charge is missing.
 */
extern void ajk_battery_efficiency(const AjkEnergy *e, double capacity_ah,
								   double mean_v, double *coulombic,
								   double *energy);

/*
 * Charge in, charge out and state of charge over blocks of some hours:
 *
 *		capacity * change = eta * in - out - offset * hours
 *
 * An offset is what is lost (or won) with time and not with charging: that of
 * the current sensor, a load it does not see, self-discharge.
 */
typedef struct AjkBalance
{
	int			blocks;
	double		eta;			/* without an offset; NaN: not to be told */
	double		eta_se;
	double		eta_offset;		/* with one */
	double		eta_offset_se;
	double		offset_a;
	double		offset_se_a;
} AjkBalance;

extern AjkError ajk_battery_balance(const AjkTelemetry *d, AjkBalance *out);

/* ---- capacity ---- */

typedef struct AjkWindow
{
	int			from;			/* samples from .. to */
	int			to;
	bool		charging;
	double		t;				/* its middle */
	double		dsoc;			/* signed, by the line fitted */
	double		ah;				/* signed, after coulombic efficiency */
	double		capacity_ah;
	double		se_ah;			/* standard error */
	double		temp;			/* mean, NaN unknown */
} AjkWindow;

/*
 * Stretches of one direction over at least min_dsoc.  *out is malloc'd.
 */
extern AjkError ajk_capacity_windows(const AjkTelemetry *d, double min_dsoc,
									 double coulombic, AjkWindow **out,
									 int *nout);

/*
 * Capacity of several windows by weighted total least squares (Plett 2011),
 * and its standard error; false without windows.
 */
extern bool ajk_capacity_tls(const AjkWindow *w, int n, double *capacity_ah,
							 double *se_ah);

/* ---- resistance ---- */

typedef struct AjkResistance
{
	int			samples;		/* under current */
	double		ohm;			/* NaN: not to be told from these samples */
	double		se_ohm;
	double		step_ohm;		/* by differences of neighbours; NaN */
	double		step_se_ohm;
} AjkResistance;

/* From samples from .. to - 1. */
extern AjkResistance ajk_battery_resistance(const AjkTelemetry *d, int from,
											int to, double capacity_ah);

/* ---- sensors that are stuck ---- */

typedef enum AjkStuckKind
{
	AJK_STUCK_SOC, AJK_STUCK_CURRENT, AJK_STUCK_VOLTAGE, AJK_STUCK_CELL_MIN,
	AJK_STUCK_CELL_MAX
} AjkStuckKind;

typedef struct AjkStuck
{
	AjkStuckKind kind;
	int			from;			/* samples from .. to */
	int			to;
} AjkStuck;

/*
 * Stretches in which a channel stays the same to the last digit although the
 * others say that it cannot.  *out is malloc'd.
 */
extern AjkError ajk_battery_stuck(const AjkTelemetry *d, double capacity_ah,
								  AjkStuck **out, int *nout);

/* ---- anomalies ---- */

typedef enum AjkAnomalyKind
{
	AJK_SOC_JUMP,				/* charge appears or vanishes */
	AJK_VOLTAGE_OUTLIER,		/* for state of charge and current */
	AJK_TEMPERATURE_OUTLIER,	/* for its day */
	AJK_SPREAD_OUTLIER,			/* of cell voltages, for its day */
	AJK_SPREAD_DRIFT			/* mean of the days has moved */
} AjkAnomalyKind;

typedef struct AjkAnomaly
{
	AjkAnomalyKind kind;
	double		t;				/* begins */
	double		t_end;
	int			samples;
	double		value;			/* the worst; SI units, share of charge 0..1 */
	double		expected;
	double		score;			/* robust standard deviations, or 0 */
} AjkAnomaly;

/* In order of time; *out is malloc'd.  ohm may be NaN. */
extern AjkError ajk_battery_anomalies(const AjkTelemetry *d,
									  double capacity_ah, double ohm,
									  double limit, AjkAnomaly **out,
									  int *nout);

#endif							/* AJK_BATTERY_H */

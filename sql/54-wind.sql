----------------------------------------------------------------------
-- Wind farm steps: wind_resource, layout, simulation, report.
--
-- Each step takes a job's params, or {"params": ..., "steps": {...}} where
-- it follows others, and can be tried with SELECT.  The check functions are
-- what submit() calls; they raise the step's own errors without its work.

CREATE FUNCTION asyncjob.step_wind_resource(input jsonb)
RETURNS jsonb LANGUAGE c STRICT VOLATILE PARALLEL UNSAFE
AS '$libdir/asyncjob_steps', 'aj_step_wind_resource';
COMMENT ON FUNCTION asyncjob.step_wind_resource(jsonb) IS
    'Describe the wind of a measured series (or of a loaded wind resource): quality, wind rose, Weibull distributions by maximum likelihood and by the method of the European Wind Atlas, shear, power density (W/m2), months and hours. Parameters: series or wind; sectors (12), weibull_method (mle, wasp), speed_bin_m_s (1), hub_height_m, shear_alpha, air_density_kg_m3 (1.225) or elevation_m and temperature_c, calm_m_s (0.5), max_speed_m_s (60), frozen_records (12), min_records (100), min_recovery_pct (50). The output''s "definition" is a wind resource. Artifacts wind_rose, weibull.csv, wind_resource_report.html. Errors AJ101: series_unknown, telemetry_insufficient, shear_unknown, unit_or_range.';

CREATE FUNCTION asyncjob.check_wind_resource_job(params jsonb)
RETURNS void LANGUAGE c STRICT STABLE PARALLEL UNSAFE
AS '$libdir/asyncjob_steps', 'aj_check_wind_resource_job';
COMMENT ON FUNCTION asyncjob.check_wind_resource_job(jsonb) IS
    'Raise what step_wind_resource would refuse in these params, without reading the series'' records.';

CREATE FUNCTION asyncjob.step_layout(input jsonb)
RETURNS jsonb LANGUAGE c STRICT VOLATILE PARALLEL UNSAFE
AS '$libdir/asyncjob_steps', 'aj_step_layout';
COMMENT ON FUNCTION asyncjob.step_layout(jsonb) IS
    'Place n_turbines, or turbines of target_capacity_kw, on a site for the most annual energy. Also: site, dem, wind, turbine (IEA_3.4MW_130) or turbines ([{"turbine", "count" or "share"}, ...]), min_spacing_d (5 rotor diameters of the larger of two), seed (42), max_slope_deg (15), boundary_setback_m (rotor radius), wake_model (iea37_sbg), k, n_starts (2; from 20 turbines 1), max_evaluations (5000 a turbine, 100000 to 400000), time_budget_s (none). Returns {"layout": GeoJSON, "metrics": {...}}; artifacts turbine_layout, layout_metrics, convergence.csv, compliance.csv, layout_report.html. Errors AJ101 (parameters), AJ102 no_buildable_area, spacing_infeasible (says the largest number that fits), AJ103 grid_too_large.';

CREATE FUNCTION asyncjob.step_simulation(input jsonb)
RETURNS jsonb LANGUAGE c STRICT VOLATILE PARALLEL UNSAFE
AS '$libdir/asyncjob_steps', 'aj_step_simulation';
COMMENT ON FUNCTION asyncjob.step_simulation(jsonb) IS
    'Annual energy of a wind farm in GWh: gross_aep_gwh without wakes, wake_aep_gwh with wakes, net_aep_gwh after wakes and the other losses; per turbine and direction. Parameters: layout (GeoJSON points, with turbine_type where there are several, or [[x_m, y_m], ...]; default the output of an earlier step layout), wind, turbine (IEA_3.4MW_130) or turbines, wake_model (bastankhah_2014, iea37_sbg, noj, niayifar_2016), k (0.0324555; noj 0.075), induction (momentum, madsen), turbulence_intensity, superposition (rss, linear, max), wd_step_deg (1), availability_loss_pct (3), electrical_loss_pct (2), other_loss_pct (3), uncertainty_pct (10), shear_alpha, flow_map_resolution_m (50; 0 none), flow_direction_deg with flow_speed_m_s (m/s). Artifacts energy_yield, wake_map.asc, wake_map.png with .pgw, simulation_report.html. Errors AJ101.';

CREATE FUNCTION asyncjob.render_report(input jsonb)
RETURNS text LANGUAGE c STRICT VOLATILE PARALLEL UNSAFE
AS '$libdir/asyncjob_steps', 'aj_render_report';
COMMENT ON FUNCTION asyncjob.render_report(jsonb) IS
    'The HTML text of the report of a full analysis: one file that needs no network. The input is that of step_report.';

CREATE FUNCTION asyncjob.step_report(input jsonb)
RETURNS jsonb LANGUAGE c STRICT VOLATILE PARALLEL UNSAFE
AS '$libdir/asyncjob_steps', 'aj_step_report';
COMMENT ON FUNCTION asyncjob.step_report(jsonb) IS
    'Write the report of a full analysis. Follows the steps layout and simulation; parameters as theirs and title. Returns {"summary": {...}, "artifacts": ["report.html"]}. Errors AJ101 step_missing.';

CREATE FUNCTION asyncjob.check_layout(params jsonb)
RETURNS void LANGUAGE c STRICT VOLATILE PARALLEL UNSAFE
AS '$libdir/asyncjob_steps', 'aj_check_layout';
COMMENT ON FUNCTION asyncjob.check_layout(jsonb) IS
    'Raise what step_layout would refuse in these params, as far as it can be told without the terrain.';

CREATE FUNCTION asyncjob.check_simulation(params jsonb)
RETURNS void LANGUAGE c STRICT VOLATILE PARALLEL UNSAFE
AS '$libdir/asyncjob_steps', 'aj_check_simulation';
COMMENT ON FUNCTION asyncjob.check_simulation(jsonb) IS
    'Raise what step_simulation would refuse in these params.';

CREATE FUNCTION asyncjob.check_full_analysis(params jsonb)
RETURNS void LANGUAGE c STRICT VOLATILE PARALLEL UNSAFE
AS '$libdir/asyncjob_steps', 'aj_check_full_analysis';
COMMENT ON FUNCTION asyncjob.check_full_analysis(jsonb) IS
    'Raise what the steps of full_analysis would refuse in these params, as far as it can be told without the terrain.';


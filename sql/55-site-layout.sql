----------------------------------------------------------------------
-- Layouts of a site: assets, roads, earthwork.

CREATE FUNCTION asyncjob.step_site_layout(input jsonb)
RETURNS jsonb LANGUAGE c STRICT VOLATILE PARALLEL UNSAFE
AS '$libdir/asyncjob_steps', 'aj_step_site_layout';
COMMENT ON FUNCTION asyncjob.step_site_layout(jsonb) IS
    'Lay out a site: assets on level pads, roads to them, earthwork, rules, for each of some variants. Parameters: site, dem and the grid''s as step_terrain; profile (gas_bess, solar_farm, wind_hybrid, hybrid), strategy (balanced, density, low_earthwork, clustered), variants, target_capacity_kw (1000), assets, substations (1), fixed_assets, min_spacing_m, road_width_m (5), max_road_grade_pct (10), station_interval_m (25), road_smoothing_m (50), batter_cut and batter_fill (2 horizontal to 1), swell (1.25), shrink (0.9), jurisdiction (default, CA, TX). Returns {"metrics": {total_capacity_kw, asset_count, road_length_m, cut_volume_m3, fill_volume_m3, ...}, "variants": [...]}; artifacts assets, pads, roads (GeoJSON), road_stations.csv, earthwork.csv, compliance, site_layout_metrics. Errors AJ101 (parameters), AJ102 capacity_infeasible, asset_not_allowed, entry_blocked, road_unreachable (names the asset and why), AJ103 grid_too_large.';

CREATE FUNCTION asyncjob.check_site_layout(params jsonb)
RETURNS void LANGUAGE c STRICT STABLE PARALLEL UNSAFE
AS '$libdir/asyncjob_steps', 'aj_check_site_layout';
COMMENT ON FUNCTION asyncjob.check_site_layout(jsonb) IS
    'Refuse parameters that step_site_layout would refuse, at little cost. Errors as check_terrain; AJ101 unit_or_range, parameter_unknown.';

CREATE FUNCTION asyncjob.step_site_report(input jsonb)
RETURNS jsonb LANGUAGE c STRICT VOLATILE PARALLEL UNSAFE
AS '$libdir/asyncjob_steps', 'aj_step_site_report';
COMMENT ON FUNCTION asyncjob.step_site_report(jsonb) IS
    'Write the report of a site layout, one HTML file that needs no network. Follows the step site_layout, whose output it returns with "report" added; artifact report.html. Errors AJ101 step_missing.';

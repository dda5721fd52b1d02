-- The terrain step and its check at submit.

CREATE FUNCTION asyncjob.step_terrain(input jsonb)
RETURNS jsonb LANGUAGE c STRICT VOLATILE PARALLEL UNSAFE
AS '$libdir/asyncjob_steps', 'aj_step_terrain';
COMMENT ON FUNCTION asyncjob.step_terrain(jsonb) IS
    'Terrain of a site: elevation, slope classes (degrees), aspect, roughness and ruggedness (metres), RIX, buildable area in all, by kind of asset and by compartment, suitability (0..1), and the area lost per reason (square metres). Parameters: site, or longitude, latitude and radius_km; dem; resolution_m; margin_m (100); max_slope_deg (15); boundary_setback_m (5); min_patch_m2 (900); slope_method (horn, zevenbergen_thorne); suitability_for (wind_turbine); contour_interval_m (10). Artifacts: terrain_metrics, exclusion_zones, buildable_area, contours (GeoJSON), maps hillshade, slope and suitability (.png, .pgw, .png.aux.xml), terrain_report.html. Errors: AJ101 as check_terrain, AJ103 grid_too_large, contours_too_many.';

CREATE FUNCTION asyncjob.check_terrain(params jsonb)
RETURNS void LANGUAGE c STRICT STABLE PARALLEL UNSAFE
AS '$libdir/asyncjob_steps', 'aj_check_terrain';
COMMENT ON FUNCTION asyncjob.check_terrain(jsonb) IS
    'Refuse parameters that step_terrain would refuse, at little cost. Errors AJ101: site_missing, site_unknown, boundary_invalid, zone_invalid, coordinates_out_of_range, dem_unknown, dem_incomplete, dem_does_not_cover_site, unit_or_range, parameter_unknown; AJ103: grid_too_large.';

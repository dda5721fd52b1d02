-- How long things are kept, and what is held meanwhile.

CREATE TABLE asyncjob.retention (
    queue_id  integer NOT NULL,
    kind      text NOT NULL CHECK (kind ~ '^(result|dead_letter|queued|(artifact|event)(:.{1,100})?)$'),
    keep      interval CHECK (keep >= '0'),
    PRIMARY KEY (queue_id, kind)
);
COMMENT ON TABLE asyncjob.retention IS
'Rules of set_retention(): queue_id 0 is for all queues, keep null is for ever.';

CREATE TABLE asyncjob.pin (
    job_id  bigint NOT NULL,
    role    oid NOT NULL,
    until   timestamptz NOT NULL,
    PRIMARY KEY (job_id, role)
);
COMMENT ON TABLE asyncjob.pin IS 'Jobs that nothing is pruned of, and until when.';

-- Of artifacts: uploads of sites 90 days, terrain data 30, outputs that are
-- taken elsewhere 30, as the source documents have it.
CREATE VIEW asyncjob.retention_defaults (kind, keep) WITH (security_invoker = true) AS
VALUES ('result', interval '7 days'), ('dead_letter', interval '14 days'), ('queued', interval '4 days'),
       ('event', interval '30 days'), ('artifact:site_upload', interval '90 days')
UNION ALL
SELECT 'artifact:' || k.kind, interval '30 days'
FROM unnest(ARRAY['wind_farm_terrain_analysis', 'exclusion_zones', 'buildable_area', 'contours', 'terrain_map',
                  'slope_map', 'suitability_map',
                  'terrain_report', 'layout_report', 'simulation_report', 'wind_resource_report', 'wind_farm_report',
                  'site_layout_report', 'solar_report', 'battery_report',
                  'wind_farm_layout', 'wind_farm_layout_metrics', 'wind_farm_wake_analysis', 'wind_rose_analysis',
                  'site_layout_metrics', 'compliance', 'solar_yield', 'battery_insights', 'site_assets', 'site_pads', 'site_roads', 'solar_array',
                  'wake_map', 'world_file', 'coordinate_system',
                  'convergence_table', 'compliance_table', 'weibull_table', 'road_stations', 'earthwork',
                  'solar_monthly', 'solar_hourly', 'battery_daily', 'battery_hourly_profile', 'battery_cycles',
                  'battery_anomalies']) k (kind);
COMMENT ON VIEW asyncjob.retention_defaults IS
'How long things are kept where set_retention() says nothing. Artifacts of these kinds stay so long from when they were made, and as long as their job; others as long as their job.';

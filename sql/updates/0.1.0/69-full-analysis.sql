-- The built-in pipeline of this number; those of users go on where they were.
DO $$
DECLARE
    last record;
BEGIN
    SELECT last_value, is_called INTO last FROM asyncjob.pipeline_id_seq;
    PERFORM setval('asyncjob.pipeline_id_seq', 10, false);
    PERFORM asyncjob.create_pipeline('full_analysis', '[
        {"name": "terrain", "handler": "asyncjob.step_terrain", "after": []},
        {"name": "wind_resource", "handler": "asyncjob.step_wind_resource", "after": []},
        {"name": "layout", "handler": "asyncjob.step_layout", "after": ["terrain", "wind_resource"]},
        {"name": "simulation", "handler": "asyncjob.step_simulation", "after": ["wind_resource", "layout"]},
        {"name": "report", "handler": "asyncjob.step_report", "after": ["terrain", "wind_resource", "layout", "simulation"]}
    ]',
    description => 'A wind farm from site to report: terrain and wind, layout, energy, one HTML file.',
    validator => 'asyncjob.check_full_analysis');
    PERFORM setval('asyncjob.pipeline_id_seq', last.last_value, last.is_called);
END
$$;

-- The built-in pipeline of this number; those of users go on where they were.
DO $$
DECLARE
    last record;
BEGIN
    SELECT last_value, is_called INTO last FROM asyncjob.pipeline_id_seq;
    PERFORM setval('asyncjob.pipeline_id_seq', 6, false);
    PERFORM asyncjob.create_pipeline('wind_resource', '[
        {"name": "wind_resource", "handler": "asyncjob.step_wind_resource"}
    ]',
    description => 'The wind of a measured series: quality, rose, Weibull distributions, shear, power density.',
    validator => 'asyncjob.check_wind_resource_job');
    PERFORM setval('asyncjob.pipeline_id_seq', last.last_value, last.is_called);
END
$$;

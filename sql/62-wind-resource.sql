----------------------------------------------------------------------
-- The pipeline wind_resource. It stands after those that version 0.1.0 has,
-- which keep their numbers.

SELECT asyncjob.create_pipeline('wind_resource', '[
        {"name": "wind_resource", "handler": "asyncjob.step_wind_resource"}
    ]',
    description => 'The wind of a measured series: quality, rose, Weibull distributions, shear, power density.',
    validator => 'asyncjob.check_wind_resource_job');


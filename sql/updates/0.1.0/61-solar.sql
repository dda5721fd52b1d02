-- The built-in pipeline of this number; those of users go on where they were.
DO $$
DECLARE
    last record;
BEGIN
    SELECT last_value, is_called INTO last FROM asyncjob.pipeline_id_seq;
    PERFORM setval('asyncjob.pipeline_id_seq', 7, false);
    PERFORM asyncjob.create_pipeline('solar_yield', '[
    {"name": "solar_yield", "handler": "asyncjob.step_solar_yield"},
    {"name": "report", "handler": "asyncjob.step_solar_report", "after": ["solar_yield"]}
    ]',
    description => 'A year of a photovoltaic system: irradiation, losses, energy, one HTML file.',
    validator => 'asyncjob.check_solar_yield');
    PERFORM setval('asyncjob.pipeline_id_seq', last.last_value, last.is_called);
END
$$;

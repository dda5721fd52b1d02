-- The pipeline solar_yield. It stands after those that version 0.1.0 has,
-- which keep their numbers.

SELECT asyncjob.create_pipeline('solar_yield', '[
        {"name": "solar_yield", "handler": "asyncjob.step_solar_yield"},
        {"name": "report", "handler": "asyncjob.step_solar_report", "after": ["solar_yield"]}
    ]',
    description => 'A year of a photovoltaic system: irradiation, losses, energy, one HTML file.',
    validator => 'asyncjob.check_solar_yield');


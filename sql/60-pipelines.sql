----------------------------------------------------------------------
-- The built-in pipelines of renewable-energy analyses.

SELECT asyncjob.create_pipeline('terrain', '[
        {"name": "terrain", "handler": "asyncjob.step_terrain"}
    ]',
    description => 'Slope, aspect, exclusions and buildable area of a site.',
    validator => 'asyncjob.check_terrain');

SELECT asyncjob.create_pipeline('layout', '[
        {"name": "layout", "handler": "asyncjob.step_layout"}
    ]',
    description => 'Wind turbines placed on a site for the most annual energy.',
    validator => 'asyncjob.check_layout');

SELECT asyncjob.create_pipeline('simulation', '[
        {"name": "simulation", "handler": "asyncjob.step_simulation"}
    ]',
    description => 'Annual energy of a given wind farm with its wakes.',
    validator => 'asyncjob.check_simulation');

SELECT asyncjob.create_pipeline('full_analysis', '[
        {"name": "terrain", "handler": "asyncjob.step_terrain"},
        {"name": "layout", "handler": "asyncjob.step_layout", "after": ["terrain"]},
        {"name": "simulation", "handler": "asyncjob.step_simulation", "after": ["layout"]},
        {"name": "report", "handler": "asyncjob.step_report", "after": ["terrain", "layout", "simulation"]}
    ]',
    description => 'A wind farm from site to report: terrain, layout, energy, one HTML file.',
    validator => 'asyncjob.check_full_analysis');


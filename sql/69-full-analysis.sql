----------------------------------------------------------------------
-- The pipeline full_analysis as a graph: the ground and the wind beside each
-- other. A further version of that of version 0.1.0, whose jobs keep theirs.

SELECT asyncjob.create_pipeline('full_analysis', '[
        {"name": "terrain", "handler": "asyncjob.step_terrain", "after": []},
        {"name": "wind_resource", "handler": "asyncjob.step_wind_resource", "after": []},
        {"name": "layout", "handler": "asyncjob.step_layout", "after": ["terrain", "wind_resource"]},
        {"name": "simulation", "handler": "asyncjob.step_simulation", "after": ["wind_resource", "layout"]},
        {"name": "report", "handler": "asyncjob.step_report", "after": ["terrain", "wind_resource", "layout", "simulation"]}
    ]',
    description => 'A wind farm from site to report: terrain and wind, layout, energy, one HTML file.',
    validator => 'asyncjob.check_full_analysis');


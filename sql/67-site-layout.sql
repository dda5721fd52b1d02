----------------------------------------------------------------------
-- The pipeline of site layouts.

SELECT asyncjob.create_pipeline('site_layout', '[
        {"name": "site_layout", "handler": "asyncjob.step_site_layout"}
    ]',
    description => 'Assets of a site on level pads, roads to them, earthwork and rules; variants compared.',
    validator => 'asyncjob.check_site_layout');

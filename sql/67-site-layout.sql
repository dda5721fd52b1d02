----------------------------------------------------------------------
-- The pipeline of site layouts.

SELECT asyncjob.create_pipeline('site_layout', '[
        {"name": "site_layout", "handler": "asyncjob.step_site_layout"},
        {"name": "report", "handler": "asyncjob.step_site_report", "after": ["site_layout"]}
    ]',
    description => 'Assets of a site on level pads, roads to them, earthwork and rules; variants compared; one HTML file.',
    validator => 'asyncjob.check_site_layout');

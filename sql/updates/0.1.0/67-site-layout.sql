-- The built-in pipeline of this number; those of users go on where they were.
DO $$
DECLARE
    last record;
BEGIN
    SELECT last_value, is_called INTO last FROM asyncjob.pipeline_id_seq;
    PERFORM setval('asyncjob.pipeline_id_seq', 8, false);
    PERFORM asyncjob.create_pipeline('site_layout', '[
        {"name": "site_layout", "handler": "asyncjob.step_site_layout"},
        {"name": "report", "handler": "asyncjob.step_site_report", "after": ["site_layout"]}
    ]',
    description => 'Assets of a site on level pads, roads to them, earthwork and rules; variants compared; one HTML file.',
    validator => 'asyncjob.check_site_layout');
    PERFORM setval('asyncjob.pipeline_id_seq', last.last_value, last.is_called);
END
$$;

-- The built-in pipeline of this number; those of users go on where they were.
DO $$
DECLARE
    last record;
BEGIN
    SELECT last_value, is_called INTO last FROM asyncjob.pipeline_id_seq;
    PERFORM setval('asyncjob.pipeline_id_seq', 11, false);
    PERFORM asyncjob.create_pipeline('layout_multistart', '[
        {"name": "starts", "handler": "asyncjob.step_layout_start", "for_each": "$.params.seeds[*]", "after": []},
        {"name": "layout", "handler": "asyncjob.step_layout_best", "after": ["starts"]}
    ]',
    description => 'Wind turbines placed from several starts at the same time, and the best layout of them.',
    validator => 'asyncjob.check_layout_multistart');
    PERFORM setval('asyncjob.pipeline_id_seq', last.last_value, last.is_called);
END
$$;

----------------------------------------------------------------------
-- The pipeline layout_multistart: a search for each of several seeds, in as
-- many workers as there are, and the best of what they found.

CREATE FUNCTION asyncjob.step_layout_start(input jsonb)
RETURNS jsonb LANGUAGE c STRICT VOLATILE PARALLEL UNSAFE
AS '$libdir/asyncjob_steps', 'aj_step_layout_start';
COMMENT ON FUNCTION asyncjob.step_layout_start(jsonb) IS
    'Search a layout as step_layout does, with the item as its seed; returns {"layout", "metrics"} and stores no artifact. For a step that runs for each of several seeds. Errors as step_layout.';

CREATE FUNCTION asyncjob.step_layout_best(input jsonb)
RETURNS jsonb LANGUAGE c STRICT VOLATILE PARALLEL UNSAFE
AS '$libdir/asyncjob_steps', 'aj_step_layout_best';
COMMENT ON FUNCTION asyncjob.step_layout_best(jsonb) IS
    'Of the layouts of the step "starts" take the one of the most energy (GWh a year with wakes), of equal ones the first. Output and artifacts as step_layout; metrics.starts has each start''s figures and convergence. Errors AJ101 step_missing.';

CREATE FUNCTION asyncjob.check_layout_multistart(params jsonb)
RETURNS void LANGUAGE c STRICT VOLATILE PARALLEL UNSAFE
AS '$libdir/asyncjob_steps', 'aj_check_layout_multistart';
COMMENT ON FUNCTION asyncjob.check_layout_multistart(jsonb) IS
    'Raise what the steps of layout_multistart would refuse in these params, as far as it can be told without the terrain.';

SELECT asyncjob.create_pipeline('layout_multistart', '[
        {"name": "starts", "handler": "asyncjob.step_layout_start", "for_each": "$.params.seeds[*]", "after": []},
        {"name": "layout", "handler": "asyncjob.step_layout_best", "after": ["starts"]}
    ]',
    description => 'Wind turbines placed from several starts at the same time, and the best layout of them.',
    validator => 'asyncjob.check_layout_multistart');


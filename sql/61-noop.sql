SELECT asyncjob.create_pipeline(
    'noop', '[{"name": "noop", "handler": "asyncjob.step_noop", "batch": true}]',
    description => 'Returns its params: for health checks and benchmarks.');


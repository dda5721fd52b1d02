SELECT asyncjob.create_pipeline(
    'noop', '[{"name": "noop", "handler": "asyncjob.step_noop"}]',
    description => 'Returns its params: for health checks and benchmarks.');


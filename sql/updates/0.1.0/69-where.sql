-- The built-in pipelines of these numbers; those of users go on where they were.
DO $$
DECLARE
    last record;
BEGIN
    SELECT last_value, is_called INTO last FROM asyncjob.pipeline_id_seq;
    PERFORM setval('asyncjob.pipeline_id_seq', 12, false);
    PERFORM asyncjob.create_pipeline(
        'cancel_where', '[{"name": "cancel", "handler": "asyncjob.step_cancel_where"}]',
        description => 'Cancels jobs by filter: see asyncjob.cancel_where().',
        validator => 'asyncjob.check_cancel_where');
    PERFORM asyncjob.create_pipeline(
        'retry_where', '[{"name": "retry", "handler": "asyncjob.step_retry_where"}]',
        description => 'Queues failed or cancelled jobs again by filter: see asyncjob.retry_where().',
        validator => 'asyncjob.check_retry_where');
    PERFORM asyncjob.create_pipeline(
        'purge_where', '[{"name": "purge", "handler": "asyncjob.step_purge_where"}]',
        description => 'Deletes dead letters by filter: see asyncjob.purge_where().',
        validator => 'asyncjob.check_purge_where');
    PERFORM setval('asyncjob.pipeline_id_seq', last.last_value, last.is_called);
END
$$;

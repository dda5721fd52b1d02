-- What a dump takes along, and the announcement.

ALTER TABLE asyncjob.pipeline ALTER COLUMN id RESTART WITH 1000;

SELECT pg_catalog.pg_extension_config_dump('asyncjob.origin', '');
SELECT pg_catalog.pg_extension_config_dump('asyncjob.owner', '');
SELECT pg_catalog.pg_extension_config_dump('asyncjob.queue', 'WHERE id >= 1000');
SELECT pg_catalog.pg_extension_config_dump('asyncjob.queue_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('asyncjob.pipeline', 'WHERE id >= 1000');
SELECT pg_catalog.pg_extension_config_dump('asyncjob.pipeline_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('asyncjob.pipeline_grant',
    'WHERE role <> 0');
SELECT pg_catalog.pg_extension_config_dump('asyncjob.alarm', '');
SELECT pg_catalog.pg_extension_config_dump('asyncjob.pin', '');
SELECT pg_catalog.pg_extension_config_dump('asyncjob.retention', '');
SELECT pg_catalog.pg_extension_config_dump('asyncjob.redaction', '');
SELECT pg_catalog.pg_extension_config_dump('asyncjob.job', '');
SELECT pg_catalog.pg_extension_config_dump('asyncjob.job_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('asyncjob.queue_limit', '');
SELECT pg_catalog.pg_extension_config_dump('asyncjob.place', '');
SELECT pg_catalog.pg_extension_config_dump('asyncjob.queue_start', '');
SELECT pg_catalog.pg_extension_config_dump('asyncjob.queue_turn', '');
SELECT pg_catalog.pg_extension_config_dump('asyncjob.lease', '');
SELECT pg_catalog.pg_extension_config_dump('asyncjob.lease_token_seq', '');
SELECT pg_catalog.pg_extension_config_dump('asyncjob.queue_worker', '');
SELECT pg_catalog.pg_extension_config_dump('asyncjob.checkpoint', '');
SELECT pg_catalog.pg_extension_config_dump('asyncjob.job_update', '');
SELECT pg_catalog.pg_extension_config_dump('asyncjob.job_memo', '');
SELECT pg_catalog.pg_extension_config_dump('asyncjob.event', '');
SELECT pg_catalog.pg_extension_config_dump('asyncjob.event_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('asyncjob.event_wait', '');
SELECT pg_catalog.pg_extension_config_dump('asyncjob.event_grant', '');
SELECT pg_catalog.pg_extension_config_dump('asyncjob.subscription', '');
SELECT pg_catalog.pg_extension_config_dump('asyncjob.subscription_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('asyncjob.schedule', '');
SELECT pg_catalog.pg_extension_config_dump('asyncjob.schedule_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('asyncjob.schedule_run', '');
SELECT pg_catalog.pg_extension_config_dump('asyncjob.artifact', '');
SELECT pg_catalog.pg_extension_config_dump('asyncjob.artifact_chunk', '');
SELECT pg_catalog.pg_extension_config_dump('asyncjob.chat_session', '');
SELECT pg_catalog.pg_extension_config_dump('asyncjob.chat_message', '');
SELECT pg_catalog.pg_extension_config_dump('asyncjob.chat_message_id_seq', '');

-- Where this copy lives, and the launcher is told.
SELECT asyncjob._install();

-- The functions of this version are in its library; the one that is loaded
-- must be it.
DO $$
BEGIN
    IF asyncjob._library_version() <> '0.2.0' THEN
        RAISE EXCEPTION USING ERRCODE = '55000',
            MESSAGE = format('the loaded library is of version %s', asyncjob._library_version()),
            HINT = 'Install version 0.2.0 and restart the server, then update the extension.';
    END IF;
END
$$;

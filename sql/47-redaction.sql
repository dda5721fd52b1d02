-- What is taken out of logs and errors. C: src/engine/redact.c.

CREATE TRIGGER names_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE
    ON asyncjob.redaction EXECUTE FUNCTION asyncjob._names_changed();

CREATE FUNCTION asyncjob.set_redaction(
        name text, pattern text DEFAULT NULL, replacement text DEFAULT NULL)
    RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'aj_set_redaction';
COMMENT ON FUNCTION asyncjob.set_redaction(text, text, text) IS
'Replace what fits a regular expression, whatever its case, by [name] or another text in log lines, errors, texts of progress and the server log of workers, before they are stored. Patterns for email, phone, coordinates and ip_address are known by name. Administrators only. Errors: 2201B no regular expression, 22004 no pattern is known, 22023 it matches the empty string, or is too long.';

CREATE FUNCTION asyncjob.drop_redaction(name text) RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'aj_drop_redaction';
COMMENT ON FUNCTION asyncjob.drop_redaction(text) IS
'Replace something no longer. Administrators only. Error 42704: no such redaction.';

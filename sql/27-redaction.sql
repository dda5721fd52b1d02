-- What is taken out of logs and errors.

CREATE TABLE asyncjob.redaction (
    name         text PRIMARY KEY,
    pattern      text NOT NULL,
    replacement  text NOT NULL
);
COMMENT ON TABLE asyncjob.redaction IS
'Regular expressions, and what is put in the place of what fits them, in what handlers log and say in errors.';

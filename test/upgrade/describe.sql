-- What the extension consists of, a line an object, for a comparison of two
-- databases.  The order of a table's columns is left out: ALTER TABLE can only
-- append.  Names of roles and the rows of the extension are in it.
CREATE TEMP VIEW described (line) AS
WITH member AS (
    SELECT d.classid, d.objid
    FROM pg_depend d JOIN pg_extension e ON d.refobjid = e.oid
    WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e' AND e.extname = 'asyncjob'),
rel AS (
    SELECT c.* FROM pg_class c JOIN member m ON m.classid = 'pg_class'::regclass AND m.objid = c.oid),
acl (oid, text) AS (
    SELECT o.oid, string_agg(format('%s=%s', coalesce(nullif(a.grantee, 0)::regrole::text, 'PUBLIC'),
                                    a.privilege_type), ' ' ORDER BY a.grantee::regrole::text, a.privilege_type)
    FROM (SELECT oid, relacl AS acl FROM pg_class UNION ALL SELECT oid, proacl FROM pg_proc) o,
         aclexplode(o.acl) a
    GROUP BY o.oid)
SELECT format('member: %s', pg_describe_object(m.classid, m.objid, 0)) FROM member m
UNION ALL
SELECT format('relation: %s kind %s options %s row security %s %s rights %s', r.relname, r.relkind,
              array_to_string(r.reloptions, ','), r.relrowsecurity, r.relforcerowsecurity,
              (SELECT text FROM acl WHERE acl.oid = r.oid))
FROM rel r
UNION ALL
SELECT format('column: %s.%s %s %s%s%s%s storage %s default %s', r.relname, a.attname,
              format_type(a.atttypid, a.atttypmod), CASE WHEN a.attnotnull THEN 'not null ' END,
              a.attidentity, a.attgenerated, CASE WHEN r.relkind = 'c' THEN 'at ' || a.attnum END,
              a.attstorage, pg_get_expr(d.adbin, d.adrelid))
FROM pg_attribute a
JOIN pg_class r ON r.oid = a.attrelid
LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attnum > 0 AND NOT a.attisdropped
  AND (r.oid IN (SELECT oid FROM rel) OR r.reltype IN (SELECT objid FROM member WHERE classid = 'pg_type'::regclass))
UNION ALL
SELECT format('constraint: %s.%s %s', r.relname, c.conname, pg_get_constraintdef(c.oid))
FROM pg_constraint c JOIN rel r ON r.oid = c.conrelid
WHERE c.contype <> 'n'
UNION ALL
SELECT format('index: %s options %s', pg_get_indexdef(i.indexrelid),
              (SELECT array_to_string(c.reloptions, ',') FROM pg_class c WHERE c.oid = i.indexrelid))
FROM pg_index i JOIN rel r ON r.oid = i.indrelid
UNION ALL
SELECT format('view: %s %s', r.relname, pg_get_viewdef(r.oid)) FROM rel r WHERE r.relkind = 'v'
UNION ALL
SELECT format('sequence: %s start %s min %s max %s step %s', r.relname, s.seqstart, s.seqmin, s.seqmax,
              s.seqincrement)
FROM pg_sequence s JOIN pg_class r ON r.oid = s.seqrelid WHERE r.relnamespace = 'asyncjob'::regnamespace
UNION ALL
SELECT format('policy: %s.%s %s for %s using (%s) check (%s)', p.tablename, p.policyname, p.permissive, p.cmd,
              p.qual, p.with_check)
FROM pg_policies p WHERE p.schemaname = 'asyncjob'
UNION ALL
SELECT format('trigger: %s', pg_get_triggerdef(t.oid))
FROM pg_trigger t JOIN rel r ON r.oid = t.tgrelid WHERE NOT t.tgisinternal
UNION ALL
SELECT format('function: %s rights %s', pg_get_functiondef(p.oid), (SELECT text FROM acl WHERE acl.oid = p.oid))
FROM pg_proc p JOIN member m ON m.classid = 'pg_proc'::regclass AND m.objid = p.oid
WHERE p.prokind IN ('f', 'p')
UNION ALL
SELECT format('enum: %s %s', t.typname, string_agg(e.enumlabel, ' ' ORDER BY e.enumsortorder))
FROM pg_enum e JOIN pg_type t ON t.oid = e.enumtypid
WHERE t.typnamespace = 'asyncjob'::regnamespace
GROUP BY t.typname
UNION ALL
SELECT format('comment: %s %s: %s', pg_describe_object(d.classoid, d.objoid, 0),
              (SELECT attname FROM pg_attribute a WHERE d.classoid = 'pg_class'::regclass
               AND a.attrelid = d.objoid AND a.attnum = d.objsubid AND d.objsubid > 0), d.description)
FROM pg_description d JOIN member m ON m.classid = d.classoid AND m.objid = d.objoid
UNION ALL
SELECT format('dumped: %s %s', c.oid::regclass, c.condition)
FROM pg_extension e, unnest(e.extconfig, e.extcondition) c (oid, condition) WHERE e.extname = 'asyncjob'
UNION ALL
SELECT format('pipeline: %s %s v%s %s %s %s current %s', p.id, p.name, p.version, p.steps, p.validator,
              p.description, p.is_current)
FROM asyncjob.pipeline p WHERE p.id < 1000
UNION ALL
SELECT format('queue: %s', to_jsonb(q) - 'created_at') FROM asyncjob.queue q WHERE q.id < 1000
UNION ALL
SELECT format('everybody''s pipeline: %s', g.pipeline) FROM asyncjob.pipeline_grant g WHERE g.role = 0
UNION ALL
SELECT format('turbine: %s', to_jsonb(t) - 'loaded_at') FROM asyncjob.turbine t WHERE t.owner IS NULL
ORDER BY 1;

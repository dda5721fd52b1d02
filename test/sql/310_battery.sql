--
-- Battery insights: loaders, the eleven steps on packs of which the truth is
-- known, what is not yet determinable, and what is refused.
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS asyncjob;
CREATE ROLE regress_battery LOGIN;
CREATE SCHEMA regress_battery AUTHORIZATION regress_battery;
SELECT asyncjob.grant_usage('regress_battery');
SET SESSION AUTHORIZATION regress_battery;
SET TimeZone = 'UTC';
SET DateStyle = 'ISO';
\pset null '<null>'
\set SHOW_CONTEXT never

-- A number 0..1 that looks like chance and is always the same.
CREATE FUNCTION pg_temp.chance(i int) RETURNS float8 LANGUAGE sql AS $$ SELECT abs(sin(i * 12.9898) * 43758.5453) - floor(abs(sin(i * 12.9898) * 43758.5453)) $$;
-- A pack: capacity_ah fading by fade a year, resistance ohm, efficiency eta; the sun charges it, the night does not.
CREATE FUNCTION pg_temp.pack(days int, capacity float8, fade float8, eta float8, ohm float8)
RETURNS TABLE (at timestamptz, soc float8, current_a float8, voltage_v float8, temp_c float8, cell_min_v float8, cell_max_v float8, load_w float8, pv_w float8)
LANGUAGE plpgsql AS $$
DECLARE
    truth float8 := 0.5;
    q float8;
    h float8;
    sun float8;
    cloud float8;
    ocv float8;
BEGIN
    FOR i IN 0 .. days * 144 - 1 LOOP
        h := (i % 144) / 6.0;
        q := capacity * (1 - fade * i / 52560.0);
        cloud := 0.7 + 0.6 * pg_temp.chance(i / 144 + 7);
        sun := CASE WHEN h > 6 AND h < 18 THEN sin((h - 6) / 12 * pi()) ELSE 0 END;
        current_a := 0.25 * capacity * cloud * sun - CASE WHEN h > 17 OR h < 5 THEN 0.11 ELSE 0.04 END * capacity * (0.5 + pg_temp.chance(i + 1000000))
                     * CASE WHEN i % 17 = 0 THEN 2 ELSE 1 END;
        current_a := greatest(least(current_a, greatest(0.995 - truth, 0) * q * 6 / eta), -greatest(truth - 0.03, 0) * q * 6);
        ocv := 16 * (3.0 + 0.32 * (1 - exp(-18 * truth)) + 0.06 * truth + 0.12 * exp(30 * (truth - 1)));
        at := timestamptz '2023-03-01 00:00Z' + i * interval '10 min';
        soc := round(least(greatest(truth + 0.02 * (pg_temp.chance(i + 5000000) - 0.5), 0), 1)::numeric, 5);
        voltage_v := round((ocv + ohm * current_a)::numeric, 4);
        temp_c := round((18 + 4 * sun + 0.5 * pg_temp.chance(i + 3000000))::numeric, 2);
        cell_min_v := voltage_v / 16 - 0.006;
        cell_max_v := voltage_v / 16 + 0.006 + 0.002 * pg_temp.chance(i + 9000000);
        load_w := 500;
        pv_w := 6000 * sun * cloud;
        RETURN NEXT;
        truth := truth + CASE WHEN current_a > 0 THEN eta ELSE 1 END * current_a / 6 / q;
    END LOOP;
END $$;
CREATE TABLE regress_telemetry AS SELECT * FROM pg_temp.pack(180, 200, 0.06, 0.98, 0.015);

-- from a table, and from text; both are the same series
SELECT r ->> 'samples' AS samples, r ->> 'first_at' AS first_at, r ->> 'last_at' AS last_at, r -> 'channels' AS channels
FROM asyncjob.load_telemetry_from('pack', 'regress_telemetry') r;
SELECT string_agg(format('%s,%s,%s,%s,%s', to_char(at, 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), soc * 100, -current_a, voltage_v, temp_c), E'\n' ORDER BY pg_temp.chance(extract(epoch FROM at)::int)) AS csv FROM regress_telemetry \gset
SELECT r ->> 'samples' AS samples, (r ->> 'unsorted')::int > 1000 AS was_unsorted, r -> 'channels' AS channels
FROM asyncjob.load_telemetry('text', E'timestamp,stateOfCharge,current,overallVoltage,temperature\n' || :'csv', '{"current_positive": "discharge", "source": "made up"}') r;
SELECT count(*) AS samples, max(abs(a.soc - b.soc)) < 1e-6 AND max(abs(a.current_a - b.current_a)) < 1e-3 AS same
FROM asyncjob.telemetry_samples('pack') a JOIN asyncjob.telemetry_samples('text') b USING (at);
SELECT name, samples, block_no, array_length(at_s, 1) AS n, pv_w IS NULL AS no_pv FROM asyncjob.telemetry JOIN asyncjob.telemetry_block USING (telemetry_id) ORDER BY 1, 3;

-- all steps, one after the other
CREATE TEMP TABLE run AS SELECT name, asyncjob.run('battery_insights', p) AS r FROM (VALUES
    ('pack', '{"telemetry": "pack", "capacity_ah": 200, "timezone": "America/Denver", "title": "<i>Pack</i>"}'::jsonb),
    ('text', '{"telemetry": "text", "capacity_ah": 200}'), ('month', '{"telemetry": "pack", "capacity_ah": 200, "window_days": 30}')) v (name, p);
SELECT jsonb_object_keys(r) AS key FROM run WHERE name = 'pack' ORDER BY 1;
-- capacity 1 %, resistance 5 %, fade 10 %, efficiency 0.5 %
SELECT name, abs((r #>> '{capacity_resistance,capacity,ah}')::float8 / (200 * (1 - 0.06 * 90 / 365)) - 1) < 0.01 AS capacity,
       abs((r #>> '{capacity_resistance,resistance,mohm}')::float8 / 15 - 1) < 0.05 AS resistance,
       abs((r #>> '{capacity_resistance,efficiency,coulombic}')::float8 / 0.98 - 1) < 0.005 AS efficiency,
       abs((r #>> '{trend_forecast,capacity_trend,fade_pct_per_year}')::float8 / 6 - 1) < 0.10 AS fade,
       r #>> '{trend_forecast,end_of_life,status}' AS end_of_life,
       abs((r #>> '{trend_forecast,end_of_life,years_left}')::float8 - (1 - 0.06 * 180 / 365 - 0.8) / 0.06) < 0.5 AS years_left
FROM run WHERE name IN ('pack', 'text') ORDER BY name;
SELECT r #>> '{validate_telemetry,gaps}' AS gaps, r #>> '{validate_telemetry,covered_pct}' AS covered, r #>> '{anomalies,count}' AS anomalies,
       r #>> '{imbalance_temperature,imbalance,verdict}' AS imbalance, r #>> '{energy_balance,solar,status}' AS solar,
       jsonb_array_length(r #> '{energy_balance,daily}') AS days, jsonb_array_length(r #> '{energy_balance,hourly_profile}') AS hours,
       r #>> '{trend_forecast,soc_forecast,status}' AS forecast, r #>> '{trend_forecast,projection,status}' AS projection
FROM run WHERE name = 'pack';
SELECT abs((SELECT sum((d ->> 'charge_ah')::float8) FROM jsonb_array_elements(r #> '{energy_balance,daily}') d) / (r #>> '{energy_balance,totals,charge_ah}')::float8 - 1) < 1e-4 AS days_add_up,
       abs((r #>> '{cycles,efc_soc}')::float8 / (r #>> '{cycles,rainflow,full_cycle_equivalents}')::float8 - 1) < 1e-6 AS rainflow_is_the_way,
       abs((r #>> '{cycles,efc}')::float8 * 2 * 200 / ((r #>> '{energy_balance,totals,charge_ah}')::float8 + (r #>> '{energy_balance,totals,discharge_ah}')::float8) - 1) < 1e-4 AS efc
FROM run WHERE name = 'pack';
-- every recommendation has evidence from a step
SELECT x ->> 'code' AS code, x #>> '{evidence,metric}' AS metric, x #>> '{evidence,step}' AS step, x #> '{evidence,value}' IS NOT NULL AS has_value
FROM run, jsonb_array_elements(r #> '{recommendations,recommendations}') x WHERE name = 'pack' ORDER BY 1;

-- not yet determinable, and what would be needed
SELECT r #>> '{trend_forecast,end_of_life,status}' AS month_end_of_life, r #>> '{trend_forecast,end_of_life,need}' AS need,
       r #>> '{capacity_resistance,capacity,status}' AS capacity FROM run WHERE name = 'month';
CREATE VIEW regress_soc AS SELECT at AS moment, soc AS "Level" FROM regress_telemetry;
SELECT asyncjob.load_telemetry_from('soc_only', 'regress_soc', '{"columns": {"time": "moment", "soc": "Level"}}') -> 'channels' AS channels;
SELECT asyncjob.load_telemetry_from('soc_only', 'regress_soc', '{"columns": {"time": "moment", "soc": "Levle"}}');
SELECT key, value ->> 'status' AS status, value ->> 'reason' AS reason, value ->> 'need' AS need
FROM asyncjob.run('battery_insights', '{"telemetry": "soc_only", "capacity_ah": 200}') r,
     LATERAL (SELECT * FROM jsonb_each(r -> 'energy_balance') UNION ALL SELECT * FROM jsonb_each(r -> 'capacity_resistance')
              UNION ALL SELECT * FROM jsonb_each(r -> 'imbalance_temperature') UNION ALL SELECT * FROM jsonb_each(r -> 'trend_forecast')) e
WHERE value ->> 'status' = 'not yet determinable' ORDER BY key;
-- a steady pack: no fade is told where there is none
CREATE TABLE regress_steady AS SELECT at, soc, current_a, voltage_v FROM pg_temp.pack(150, 100, 0, 0.99, 0.02);
SELECT asyncjob.load_telemetry_from('steady', 'regress_steady') ->> 'samples' AS samples;
SELECT r #>> '{trend_forecast,end_of_life,status}' AS end_of_life, r #>> '{trend_forecast,capacity_trend,significant}' AS significant,
       abs((r #>> '{capacity_resistance,capacity,ah}')::float8 / 100 - 1) < 0.01 AS capacity
FROM asyncjob.run('battery_insights', '{"telemetry": "steady", "capacity_ah": 100, "chemistry": "nmc"}') r;
-- gaps: counted, and nothing is integrated over them
DELETE FROM regress_steady WHERE at BETWEEN '2023-04-10 00:00Z' AND '2023-04-12 11:50Z';
SELECT asyncjob.load_telemetry_from('gap', 'regress_steady') ->> 'samples' AS samples;
SELECT r #>> '{validate_telemetry,gaps}' AS gaps, r #>> '{validate_telemetry,longest_gap_at}' AS at, r #>> '{validate_telemetry,longest_gap_h}' AS hours,
       r #> '{validate_telemetry,warnings}' AS warnings, r #>> '{energy_balance,totals,covered_h}' AS covered_h
FROM asyncjob.run('battery_insights', '{"telemetry": "gap", "capacity_ah": 100}') r;

-- what telemetry does in the field: an estimate is right, or is not made
CREATE VIEW regress_offset AS SELECT at, soc, current_a + 1 AS current_a, voltage_v FROM regress_telemetry;
CREATE VIEW regress_still AS SELECT at, soc, current_a, CASE WHEN at BETWEEN '2023-04-01' AND '2023-05-10' THEN 52.5 ELSE voltage_v END AS voltage_v FROM regress_telemetry;
CREATE VIEW regress_half AS SELECT at, CASE WHEN at BETWEEN '2023-04-01' AND '2023-05-10' THEN 0.5 ELSE soc END AS soc, current_a, voltage_v FROM regress_telemetry;
CREATE VIEW regress_dead AS SELECT at, soc, CASE WHEN at BETWEEN '2023-04-01' AND '2023-05-10' THEN 3.0 ELSE current_a END AS current_a, voltage_v, 20.0 AS temp_c FROM regress_telemetry;
CREATE VIEW regress_other AS SELECT at, soc, lag(current_a, 40) OVER (ORDER BY at) AS current_a FROM regress_telemetry;
CREATE VIEW regress_flat AS SELECT at, 0.5 AS soc, current_a FROM regress_telemetry;
CREATE TEMP TABLE field AS SELECT v, asyncjob.run('battery_insights', jsonb_build_object('telemetry', v, 'capacity_ah', CASE v WHEN 'regress_half_nominal' THEN 100 ELSE 200 END)) AS r
FROM (SELECT v, asyncjob.load_telemetry_from(v, replace(v, '_nominal', '')::regclass) AS l
      FROM unnest(ARRAY['regress_offset', 'regress_still', 'regress_half', 'regress_dead', 'regress_other', 'regress_flat', 'regress_half_nominal']) v OFFSET 0) x WHERE l IS NOT NULL;
SELECT v, coalesce((abs((r #>> '{capacity_resistance,capacity,ah}')::float8 / (200 * (1 - 0.06 * 90 / 365)) - 1) < 0.01)::text, r #>> '{capacity_resistance,capacity,reason}') AS capacity,
       coalesce((abs((r #>> '{capacity_resistance,efficiency,coulombic}')::float8 / 0.98 - 1) < 0.005)::text, r #>> '{capacity_resistance,efficiency,reason}') AS efficiency,
       coalesce((abs((r #>> '{capacity_resistance,resistance,mohm}')::float8 / 15 - 1) < 0.05)::text, r #>> '{capacity_resistance,resistance,status}') AS resistance,
       abs((r #>> '{capacity_resistance,current_offset,a}')::float8 - 1) < 0.1 AS offset_1_a
FROM field ORDER BY v;
SELECT v, w AS warning FROM field, jsonb_array_elements_text(r #> '{validate_telemetry,warnings}') w ORDER BY 1, 2;
SELECT v, r #> '{anomalies,by_kind}' AS anomalies, (SELECT string_agg(x ->> 'code', ' ' ORDER BY 1) FROM jsonb_array_elements(r #> '{recommendations,recommendations}') x
       WHERE x ->> 'code' IN ('current_offset', 'stuck_sensor', 'coulombic_efficiency', 'replace')) AS advice FROM field ORDER BY v;
-- a load that is known at day only is no mean load, and no sun at night is not written as unknown
CREATE VIEW regress_day AS SELECT at, soc, current_a, voltage_v, CASE WHEN pv_w > 0 THEN load_w END AS load_w, CASE WHEN pv_w > 0 THEN pv_w END AS pv_w FROM regress_telemetry;
SELECT asyncjob.load_telemetry_from('day', 'regress_day') ->> 'samples' AS samples;
SELECT r #> '{energy_balance,solar}' AS solar, r #>> '{energy_balance,autonomy,of}' AS autonomy_of, d -> 'load_kwh' AS load_kwh, d -> 'generator_kwh' AS generator_kwh
FROM asyncjob.run('battery_insights', '{"telemetry": "day", "capacity_ah": 200}') r, LATERAL (SELECT r #> '{energy_balance,daily,3}' AS d) d;
-- nearly full and charged in the frost: that is good for lead, and the cold does not harm titanate
CREATE VIEW regress_full AS SELECT at, 0.9 + soc / 10 AS soc, current_a, -5.0 AS temp_c FROM regress_telemetry;
SELECT asyncjob.load_telemetry_from('full', 'regress_full') ->> 'samples' AS samples;
SELECT c AS chemistry, (SELECT string_agg(x ->> 'code', ' ' ORDER BY x ->> 'code') FROM jsonb_array_elements(r #> '{recommendations,recommendations}') x) AS advice
FROM unnest(ARRAY['lfp', 'lto', 'lead_acid']) c, LATERAL asyncjob.run('battery_insights', jsonb_build_object('telemetry', 'full', 'capacity_ah', 200, 'chemistry', c)) r;
-- many cycles a day for many years are still a load to project
SELECT asyncjob.load_telemetry('busy', E'time,soc,temp_c\n' || string_agg(format('%s,%s,25', to_char(timestamp '2023-01-01' + i * interval '30 min', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), i % 2), E'\n')) ->> 'samples' AS samples
FROM generate_series(0, 479) i;
SELECT r #>> '{trend_forecast,projection,status}' AS projection, jsonb_array_length(r #> '{trend_forecast,projection,years}') AS years
FROM asyncjob.run('battery_insights', '{"telemetry": "busy", "capacity_ah": 200, "horizon_years": 40}') r;
DELETE FROM asyncjob.telemetry WHERE name IN ('full', 'busy');
-- currents that come and go between coarse samples are no jumps of the state of charge
CREATE VIEW regress_coarse AS SELECT at, soc, current_a FROM regress_telemetry WHERE extract(minute FROM at) = 0;
SELECT asyncjob.load_telemetry_from('coarse', 'regress_coarse') ->> 'samples' AS samples;
SELECT r #> '{anomalies,by_kind}' AS by_kind FROM asyncjob.run('battery_insights', '{"telemetry": "coarse", "capacity_ah": 200}') r;
-- sixteen hours tell neither a year nor habits
CREATE VIEW regress_hours AS SELECT * FROM regress_telemetry WHERE at < '2023-03-01 16:00Z';
SELECT asyncjob.load_telemetry_from('hours', 'regress_hours') ->> 'samples' AS samples;
SELECT r #> '{cycles,efc_per_year}' AS efc_per_year, r #>> '{energy_balance,autonomy,status}' AS autonomy, r #> '{recommendations,count}' AS advice
FROM asyncjob.run('battery_insights', '{"telemetry": "hours", "capacity_ah": 200}') r;
-- the hour that a clock shows twice: none is lost, whichever way the rows go
CREATE TEMP TABLE clock AS SELECT zone, step, down, l FROM (VALUES ('Europe/Berlin', 600), ('Europe/Berlin', 3600), ('America/New_York', 1800)) z (zone, step), (VALUES (1), (-1)) w (down),
     LATERAL (SELECT string_agg(to_char((timestamptz '2024-10-26 00:00Z' + i * step * interval '1 s') AT TIME ZONE zone, 'YYYY-MM-DD HH24:MI:SS') || ',0.5', E'\n' ORDER BY i * down) AS csv
              FROM generate_series(0, 10 * 86400 / step - 1) i) c,
     LATERAL asyncjob.load_telemetry('clock' || zone || step || down, E'time,soc\n' || csv, jsonb_build_object('timezone', zone)) l;
SELECT zone, step, down, (l ->> 'samples')::int = 10 * 86400 / step AS all_of_them, l -> 'duplicates' AS duplicates,
       (SELECT bool_and(at = timestamptz '2024-10-26 00:00Z' + (i - 1) * step * interval '1 s')
        FROM (SELECT at, row_number() OVER (ORDER BY at) AS i FROM asyncjob.telemetry_samples('clock' || zone || step || down)) s) AS at_its_time
FROM clock ORDER BY zone, step, down;
DELETE FROM asyncjob.telemetry WHERE name LIKE 'clock%' OR name LIKE 'regress\_%' OR name IN ('day', 'coarse', 'hours');

-- what battery tools get wrong. Energy is power times the time between samples, whatever that is; hours are those of the
-- place; capacity is no state of charge, whatever that is at the ends; and no name brings forth numbers.
CREATE VIEW regress_constant AS SELECT step, timestamptz '2024-01-01 00:00Z' + i * step * interval '1 s' AS at, 10.0 AS current_a, 50.0 AS voltage_v,
       0.1 + i * step / 360000.0 AS soc FROM (VALUES (30), (60), (600), (3600)) s (step), LATERAL generate_series(0, 72000 / step) i;
CREATE FUNCTION pg_temp.constant(step int) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE TEMP VIEW every_%s AS SELECT at, current_a, voltage_v, soc FROM regress_constant WHERE step = %s', step, step);
    PERFORM asyncjob.load_telemetry_from('constant', format('every_%s', step)::regclass);
    RETURN asyncjob.run('battery_insights', '{"telemetry": "constant", "capacity_ah": 1000}') #> '{energy_balance,totals}';
END $$;
SELECT step, t -> 'charge_kwh' AS charge_kwh, t -> 'charge_ah' AS charge_ah, t -> 'covered_h' AS covered_h
FROM unnest(ARRAY[30, 60, 600, 3600]) step, LATERAL pg_temp.constant(step) t ORDER BY step;
CREATE VIEW regress_evening AS SELECT at, soc, current_a, voltage_v, CASE WHEN extract(hour FROM at AT TIME ZONE 'America/Denver') = 18 THEN 3000 ELSE 100 END AS load_w
FROM regress_telemetry WHERE at BETWEEN '2023-03-01' AND '2023-04-15';
SELECT asyncjob.load_telemetry_from('evening', 'regress_evening') ->> 'samples' AS samples;
SELECT zone, (SELECT array_agg((h ->> 'hour')::int ORDER BY h -> 'hour') FROM jsonb_array_elements(r #> '{energy_balance,hourly_profile}') h WHERE (h ->> 'load_w')::float8 > 1000) AS peak
FROM unnest(ARRAY['America/Denver', 'UTC']) zone, LATERAL asyncjob.run('battery_insights', jsonb_build_object('telemetry', 'evening', 'capacity_ah', 200, 'timezone', zone)) r ORDER BY zone;
CREATE VIEW regress_emptied AS SELECT t.at, t.soc, t.current_a FROM regress_telemetry t,
    (SELECT min(at) FILTER (WHERE soc > 0.95) AS a, max(at) FILTER (WHERE soc < 0.1) AS b FROM regress_telemetry) e WHERE t.at BETWEEN e.a AND e.b;
SELECT (asyncjob.load_telemetry_from('emptied', 'regress_emptied') ->> 'samples')::int > 20000 AS long;
SELECT abs((r #>> '{capacity_resistance,capacity,ah}')::float8 / (200 * (1 - 0.06 * 90 / 365)) - 1) < 0.01 AS capacity
FROM asyncjob.run('battery_insights', '{"telemetry": "emptied", "capacity_ah": 200}') r;
SELECT asyncjob.submit('battery_insights', '{"telemetry": "test-system", "capacity_ah": 200}');
DELETE FROM asyncjob.telemetry WHERE name IN ('constant', 'evening', 'emptied');

-- what is refused
CREATE FUNCTION pg_temp.refusal(statement text, OUT code text, OUT said text) LANGUAGE plpgsql AS $$
DECLARE
    state text;
    message text;
    detail text;
    hint text;
BEGIN
    EXECUTE statement;
    code := 'accepted';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, code = CONSTRAINT_NAME, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    code := state || ' ' || code;
    said := concat_ws(E'\n', message, nullif(detail, ''), nullif(hint, ''));
END $$;
CREATE VIEW regress_odd AS SELECT at, soc, current_a, voltage_v, temp_c FROM regress_telemetry WHERE at < '2023-03-20';
CREATE VIEW regress_mixed AS SELECT at, CASE WHEN at < '2023-03-10' THEN soc ELSE soc * 100 END AS soc FROM regress_odd;
CREATE VIEW regress_volts AS SELECT at, soc, CASE WHEN at < '2023-03-10' THEN voltage_v ELSE voltage_v * 1000 END AS voltage_v FROM regress_odd;
CREATE VIEW regress_kelvin AS SELECT at, soc, temp_c + 273.15 AS temp_c FROM regress_odd;
CREATE VIEW regress_naive AS SELECT at::timestamp AS at, soc FROM regress_odd;
CREATE VIEW regress_apart AS SELECT at, CASE WHEN at < '2023-03-09 10:00Z' THEN soc ELSE soc * 100 END AS soc FROM regress_odd WHERE at NOT BETWEEN '2023-03-09 04:00Z' AND '2023-03-09 16:00Z';
CREATE VIEW regress_negative AS SELECT at, soc, -voltage_v AS voltage_v FROM regress_odd;
CREATE VIEW regress_cells AS SELECT at, soc, 3300 AS cell_min_v, 3310 AS cell_max_v FROM regress_odd;
CREATE VIEW regress_upside AS SELECT at, soc, 3.4 AS cell_min_v, 3.3 AS cell_max_v FROM regress_odd;
CREATE VIEW regress_huge AS SELECT at, soc, CASE WHEN at = '2023-03-02' THEN 1e300 ELSE current_a END AS current_a FROM regress_odd;
CREATE VIEW regress_text AS SELECT at::text AS time, soc FROM regress_odd;
CREATE VIEW regress_words AS SELECT at, soc::text AS soc FROM regress_odd;
CREATE VIEW regress_two AS SELECT at, soc, at::date AS date FROM regress_odd;
CREATE VIEW regress_one AS SELECT at, soc FROM regress_odd LIMIT 1;
CREATE VIEW regress_over AS SELECT at, CASE WHEN at < '2023-03-02' THEN 1.2 ELSE soc END AS soc FROM regress_odd;
\pset format unaligned
\pset tuples_only on
SELECT format(E'%s: %s\n%s\n', v, code, said) FROM (VALUES ('regress_mixed'), ('regress_volts'), ('regress_kelvin'), ('regress_naive'), ('regress_over'),
    ('regress_apart'), ('regress_negative'), ('regress_cells'), ('regress_upside'), ('regress_huge'), ('regress_text'), ('regress_words'), ('regress_two'), ('regress_one')) x (v),
    LATERAL pg_temp.refusal(format('SELECT asyncjob.load_telemetry_from(''bad'', %L)', v));
SELECT format(E'%s: %s\n%s\n', left(csv, 60), code, said) FROM (VALUES (1, '', '{}'), (2, 'time,soc', '{}'), (3, 'a,b' || E'\n1,2', '{}'), (4, 'time,b' || E'\n2024-01-01Z,2', '{}'),
    (5, 'time,soc' || E'\nnow,2', '{}'), (6, 'time,soc' || E'\n0,2', '{}'), (7, 'time,soc' || E'\n2024-01-01 10:00,2', '{}'), (8, 'time,soc' || E'\n2024-01-01T10:00:00Z,much', '{}'),
    (9, 'time,soc', '{"timezone": "Mars/Olympus"}'), (10, 'time,soc', '{"time_zone": "UTC"}'), (11, 'time,soc', '{"columns": {"tension": "u"}}'),
    (12, 'time,soc' || (SELECT string_agg(E'\n' || 1700000000 + i * 600 || ',0.' || i, '') FROM generate_series(1, 20) i), '{"soc_unit": "percent"}'),
    (13, 'Date,Time,SOC' || E'\n2024-01-01,10:00,0.5', '{"timezone": "UTC"}'), (14, 'time,soc,stateOfCharge' || E'\n2024-01-01Z,0.5,50', '{}'), (15, 'time;soc' || E'\n2024-01-01T00:00:00Z;0,53', '{}'),
    (16, 'time,soc', '{"timezone": "UTC+2"}')) x (n, csv, o),
    LATERAL pg_temp.refusal(format('SELECT asyncjob.load_telemetry(''bad'', %L, %L)', csv, o)) ORDER BY n;
SELECT format(E'%s: %s\n', code, said) FROM pg_temp.refusal('SELECT asyncjob.load_telemetry(''bad'', (SELECT ''time,soc'' || string_agg(E''\n'' || i || ''e16,0.5'', '''') FROM generate_series(1, 12) i))');
SELECT asyncjob.load_telemetry_from('wrong_sign', 'regress_odd', '{"current_positive": "discharge"}') ->> 'samples';
SELECT asyncjob.load_telemetry_from('milliamps', 'regress_odd') ->> 'samples';
CREATE VIEW regress_holes AS SELECT * FROM regress_odd WHERE extract(hour FROM at AT TIME ZONE 'UTC') < 12;
SELECT asyncjob.load_telemetry_from('holes', 'regress_holes') ->> 'samples';
CREATE VIEW regress_milli AS SELECT at, soc, CASE WHEN at < '2023-03-06' THEN 1000 ELSE 1 END * current_a AS current_a FROM regress_odd;
SELECT asyncjob.load_telemetry_from('milli', 'regress_milli') ->> 'samples';
CREATE VIEW regress_millivolts AS SELECT at, soc, 1000 * voltage_v AS voltage_v FROM regress_odd;
SELECT asyncjob.load_telemetry_from('millivolts', 'regress_millivolts') ->> 'samples';
SELECT format(E'%s: %s\n%s\n', p, code, said) FROM (VALUES (1, '{"capacity_ah": 200}'), (2, '{"telemetry": "pack"}'), (3, '{"telemetry": "pak", "capacity_ah": 200}'),
    (4, '{"telemetry": "pack", "capacity_ah": -1}'), (5, '{"telemetry": "pack", "capacity_ah": 200, "chemistry": "zinc"}'), (6, '{"telemetry": "pack", "capacity_ah": 200, "timezone": "Nowhere"}'),
    (7, '{"telemetry": "pack", "capacity_ah": 200, "eol_retension": 0.7}'), (8, '{"telemetry": "pack", "capacity_ah": 200, "min_window_dsoc": 2}'),
    (9, '{"telemetry": "pack", "capacity_ah": 200, "timezone": "GMT-05"}')) x (n, p),
    LATERAL pg_temp.refusal(format('SELECT asyncjob.submit(''battery_insights'', %L)', p)) ORDER BY n;
-- what only the samples tell
SELECT format(E'%s: %s\n%s\n', p, code, said) FROM (VALUES (1, '{"telemetry": "wrong_sign", "capacity_ah": 200}'), (2, '{"telemetry": "holes", "capacity_ah": 200}'),
    (3, '{"telemetry": "milliamps", "capacity_ah": 0.2}'), (4, '{"telemetry": "milli", "capacity_ah": 200}'), (5, '{"telemetry": "milliamps", "capacity_ah": 5}'),
    (6, '{"telemetry": "millivolts", "capacity_ah": 200}'), (7, '{"telemetry": "milliamps", "capacity_ah": 200, "nominal_voltage_v": 12}')) x (n, p),
    LATERAL pg_temp.refusal(format('SELECT asyncjob.run(''battery_insights'', %L)', p)) ORDER BY n;
SELECT format(E'%s: %s\n', code, said) FROM pg_temp.refusal('SELECT asyncjob.step_battery_anomalies(''{"telemetry": "pack", "capacity_ah": 200}'')');
\pset format aligned
\pset tuples_only off
SELECT count(*) AS bad FROM asyncjob.telemetry WHERE name = 'bad';
RESET SESSION AUTHORIZATION;

-- another role sees none of it
CREATE ROLE regress_battery2 LOGIN;
SELECT asyncjob.grant_usage('regress_battery2');
SET SESSION AUTHORIZATION regress_battery2;
SELECT count(*) AS seen, (SELECT count(*) FROM asyncjob.telemetry_block) AS blocks, (SELECT count(*) FROM asyncjob.telemetry_samples('pack')) AS samples FROM asyncjob.telemetry;
SELECT asyncjob.load_telemetry_from('mine', 'regress_battery.regress_telemetry');
SELECT 'pack' = ANY (SELECT name FROM asyncjob.telemetry) AS sees_pack;
RESET SESSION AUTHORIZATION;
DELETE FROM asyncjob.telemetry WHERE owner = 'regress_battery';
DROP OWNED BY regress_battery, regress_battery2;
DROP ROLE regress_battery, regress_battery2;

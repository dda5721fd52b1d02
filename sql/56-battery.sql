-- Battery insights: telemetry, the eleven steps, the check at submit.

CREATE TABLE asyncjob.telemetry (
    telemetry_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    owner        name DEFAULT current_user,
    name         text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    samples      int NOT NULL CHECK (samples > 0),
    first_at     timestamptz NOT NULL,
    last_at      timestamptz NOT NULL,
    duplicates   int NOT NULL DEFAULT 0,
    conflicts    int NOT NULL DEFAULT 0,
    unsorted     int NOT NULL DEFAULT 0,
    source       text,
    loaded_at    timestamptz NOT NULL DEFAULT now(),
    UNIQUE NULLS NOT DISTINCT (owner, name)
);
COMMENT ON TABLE asyncjob.telemetry IS
    'Telemetry series of batteries; the samples stand in telemetry_block. Load with load_telemetry() or load_telemetry_from().';
COMMENT ON COLUMN asyncjob.telemetry.owner IS 'Role it belongs to; NULL: everybody may read it.';
COMMENT ON COLUMN asyncjob.telemetry.duplicates IS 'Samples left out because another of the same time came first.';
COMMENT ON COLUMN asyncjob.telemetry.conflicts IS 'Of them, those that said something else.';
COMMENT ON COLUMN asyncjob.telemetry.unsorted IS 'Samples that stood after a later one in the source.';

CREATE TABLE asyncjob.telemetry_block (
    telemetry_id bigint NOT NULL REFERENCES asyncjob.telemetry ON DELETE CASCADE,
    block_no     int NOT NULL,
    owner        name DEFAULT current_user,
    at_s         float8[] NOT NULL,
    soc          float8[],
    current_a    real[],
    voltage_v    real[],
    temp_c       real[],
    cell_min_v   real[],
    cell_max_v   real[],
    pv_w         real[],
    load_w       real[],
    generator_w  real[],
    PRIMARY KEY (telemetry_id, block_no)
);
ALTER TABLE asyncjob.telemetry_block
    ALTER COLUMN at_s SET STORAGE EXTERNAL, ALTER COLUMN soc SET STORAGE EXTERNAL,
    ALTER COLUMN current_a SET STORAGE EXTERNAL, ALTER COLUMN voltage_v SET STORAGE EXTERNAL,
    ALTER COLUMN temp_c SET STORAGE EXTERNAL, ALTER COLUMN cell_min_v SET STORAGE EXTERNAL,
    ALTER COLUMN cell_max_v SET STORAGE EXTERNAL, ALTER COLUMN pv_w SET STORAGE EXTERNAL,
    ALTER COLUMN load_w SET STORAGE EXTERNAL, ALTER COLUMN generator_w SET STORAGE EXTERNAL;
COMMENT ON TABLE asyncjob.telemetry_block IS
    'Samples of telemetry in blocks, an array a channel; NaN where a value is not known, NULL where the series has no such channel. telemetry_samples() unpacks them.';
COMMENT ON COLUMN asyncjob.telemetry_block.at_s IS 'Seconds since 1970-01-01 UTC, ascending through the blocks.';
COMMENT ON COLUMN asyncjob.telemetry_block.soc IS 'State of charge, 0..1.';
COMMENT ON COLUMN asyncjob.telemetry_block.current_a IS 'Current of the pack, A, positive when charging.';

ALTER TABLE asyncjob.telemetry ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON asyncjob.telemetry
    USING (owner OPERATOR(pg_catalog.=) current_user)
    WITH CHECK (owner OPERATOR(pg_catalog.=) current_user);
CREATE POLICY everybodys ON asyncjob.telemetry FOR SELECT USING (owner IS NULL);

ALTER TABLE asyncjob.telemetry_block ENABLE ROW LEVEL SECURITY;
-- The block must belong to a series of the same owner, or one role could put
-- samples under another's series.
CREATE POLICY own ON asyncjob.telemetry_block
    USING (owner OPERATOR(pg_catalog.=) current_user)
    WITH CHECK (owner OPERATOR(pg_catalog.=) current_user
                AND EXISTS (SELECT FROM asyncjob.telemetry t
                            WHERE t.telemetry_id OPERATOR(pg_catalog.=) telemetry_block.telemetry_id
                              AND t.owner OPERATOR(pg_catalog.=) current_user));
CREATE POLICY everybodys ON asyncjob.telemetry_block FOR SELECT USING (owner IS NULL);

SELECT pg_catalog.pg_extension_config_dump('asyncjob.telemetry', '');
SELECT pg_catalog.pg_extension_config_dump('asyncjob.telemetry_telemetry_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('asyncjob.telemetry_block', '');

CREATE FUNCTION asyncjob.load_telemetry(name text, csv text, options jsonb DEFAULT '{}')
RETURNS jsonb LANGUAGE c VOLATILE PARALLEL UNSAFE
AS '$libdir/asyncjob_steps', 'aj_load_telemetry';
COMMENT ON FUNCTION asyncjob.load_telemetry(text, text, jsonb) IS
    'Load a battery''s telemetry from delimited text whose first line names the columns: time (ISO, or seconds) and any of soc (0..1 or per cent), current_a, voltage_v, temp_c, cell_min_v, cell_max_v, pv_w, load_w, generator_w, or the names a BMS export gives them. options: columns ({"channel": "column"}), timezone (of times without offset), start_at (of times that are seconds since a start), soc_unit (fraction, percent), current_positive (charge, discharge), source. Rows may be in any order; of several with one time the first counts. Replaces a series of the same name. Errors AJ101: telemetry_columns, telemetry_invalid, telemetry_insufficient, time_zone_missing, unit_mixed, unit_or_range, parameter_missing, parameter_unknown.';

CREATE FUNCTION asyncjob.load_telemetry_from(name text, source regclass, options jsonb DEFAULT '{}')
RETURNS jsonb LANGUAGE c VOLATILE PARALLEL UNSAFE
AS '$libdir/asyncjob_steps', 'aj_load_telemetry_from';
COMMENT ON FUNCTION asyncjob.load_telemetry_from(text, regclass, jsonb) IS
    'Load a battery''s telemetry from a table or view that the caller may read; columns, options and errors as load_telemetry. A time column may be timestamptz, timestamp (option timezone) or a number of seconds; the others are numbers.';

CREATE FUNCTION asyncjob.telemetry_samples(name text)
RETURNS TABLE (at timestamptz, soc float8, current_a real, voltage_v real, temp_c real, cell_min_v real,
               cell_max_v real, pv_w real, load_w real, generator_w real)
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT to_timestamp(u.t), u.soc, u.current_a, u.voltage_v, u.temp_c, u.cell_min_v, u.cell_max_v, u.pv_w, u.load_w, u.generator_w
    FROM (SELECT t.telemetry_id FROM asyncjob.telemetry t WHERE t.name = telemetry_samples.name
          ORDER BY t.owner IS NULL LIMIT 1) s
    JOIN asyncjob.telemetry_block b USING (telemetry_id),
         unnest(b.at_s, b.soc, b.current_a, b.voltage_v, b.temp_c, b.cell_min_v, b.cell_max_v, b.pv_w, b.load_w, b.generator_w)
             AS u (t, soc, current_a, voltage_v, temp_c, cell_min_v, cell_max_v, pv_w, load_w, generator_w)
    ORDER BY b.block_no, u.t
$$;
COMMENT ON FUNCTION asyncjob.telemetry_samples(text) IS
    'The samples of a telemetry series as rows, by time; units as in telemetry_block.';

CREATE FUNCTION asyncjob.step_battery_initialize(input jsonb)
RETURNS jsonb LANGUAGE c STRICT VOLATILE PARALLEL UNSAFE
AS '$libdir/asyncjob_steps', 'aj_step_battery_initialize';
COMMENT ON FUNCTION asyncjob.step_battery_initialize(jsonb) IS
    'Resolve the parameters of a battery analysis: telemetry, capacity_ah; chemistry (lfp), nominal_voltage_v (51.2), window_days (all), timezone (UTC), max_gap_factor (5), min_coverage_pct (70), min_window_dsoc (0.4), max_dod (0.8), eol_retention (0.8), horizon_years (10), anomaly_limit (8), ambient_c.';

CREATE FUNCTION asyncjob.step_battery_load_telemetry(input jsonb)
RETURNS jsonb LANGUAGE c STRICT VOLATILE PARALLEL UNSAFE
AS '$libdir/asyncjob_steps', 'aj_step_battery_load_telemetry';
COMMENT ON FUNCTION asyncjob.step_battery_load_telemetry(jsonb) IS
    'Read the telemetry and say what there is: samples, channels, time.';

CREATE FUNCTION asyncjob.step_battery_validate_telemetry(input jsonb)
RETURNS jsonb LANGUAGE c STRICT VOLATILE PARALLEL UNSAFE
AS '$libdir/asyncjob_steps', 'aj_step_battery_validate_telemetry';
COMMENT ON FUNCTION asyncjob.step_battery_validate_telemetry(jsonb) IS
    'Check telemetry: gaps, units, sign of current, range. Errors AJ101: telemetry_insufficient, current_sign_reversed, unit_mixed, unit_or_range.';

CREATE FUNCTION asyncjob.step_battery_energy_balance(input jsonb)
RETURNS jsonb LANGUAGE c STRICT VOLATILE PARALLEL UNSAFE
AS '$libdir/asyncjob_steps', 'aj_step_battery_energy_balance';
COMMENT ON FUNCTION asyncjob.step_battery_energy_balance(jsonb) IS
    'Charge, energy and efficiency of a battery by day, its load profile by local hour, solar sufficiency and autonomy where those channels are known.';

CREATE FUNCTION asyncjob.step_battery_cycles(input jsonb)
RETURNS jsonb LANGUAGE c STRICT VOLATILE PARALLEL UNSAFE
AS '$libdir/asyncjob_steps', 'aj_step_battery_cycles';
COMMENT ON FUNCTION asyncjob.step_battery_cycles(jsonb) IS
    'Equivalent full cycles and rainflow cycles (ASTM E1049) of a battery by depth of discharge.';

CREATE FUNCTION asyncjob.step_battery_capacity_resistance(input jsonb)
RETURNS jsonb LANGUAGE c STRICT VOLATILE PARALLEL UNSAFE
AS '$libdir/asyncjob_steps', 'aj_step_battery_capacity_resistance';
COMMENT ON FUNCTION asyncjob.step_battery_capacity_resistance(jsonb) IS
    'Capacity from windows of charge (total least squares), efficiency, offset of the current and resistance of a battery, overall and by month, or why they are not yet determinable.';

CREATE FUNCTION asyncjob.step_battery_imbalance_temperature(input jsonb)
RETURNS jsonb LANGUAGE c STRICT VOLATILE PARALLEL UNSAFE
AS '$libdir/asyncjob_steps', 'aj_step_battery_imbalance_temperature';
COMMENT ON FUNCTION asyncjob.step_battery_imbalance_temperature(jsonb) IS
    'Spread of cell voltages and temperatures of a battery.';

CREATE FUNCTION asyncjob.step_battery_trend_forecast(input jsonb)
RETURNS jsonb LANGUAGE c STRICT VOLATILE PARALLEL UNSAFE
AS '$libdir/asyncjob_steps', 'aj_step_battery_trend_forecast';
COMMENT ON FUNCTION asyncjob.step_battery_trend_forecast(jsonb) IS
    'Trend of capacity and resistance (Theil-Sen, Mann-Kendall), end of life where the trend is significant, forecast of the state of charge, projection of capacity (BLAST-Lite, LFP).';

CREATE FUNCTION asyncjob.step_battery_anomalies(input jsonb)
RETURNS jsonb LANGUAGE c STRICT VOLATILE PARALLEL UNSAFE
AS '$libdir/asyncjob_steps', 'aj_step_battery_anomalies';
COMMENT ON FUNCTION asyncjob.step_battery_anomalies(jsonb) IS
    'Outliers, jumps, stuck values and drifts in a batterys telemetry.';

CREATE FUNCTION asyncjob.step_battery_recommendations(input jsonb)
RETURNS jsonb LANGUAGE c STRICT VOLATILE PARALLEL UNSAFE
AS '$libdir/asyncjob_steps', 'aj_step_battery_recommendations';
COMMENT ON FUNCTION asyncjob.step_battery_recommendations(jsonb) IS
    'What to do about a battery, each with its evidence.';

CREATE FUNCTION asyncjob.step_battery_store_results(input jsonb)
RETURNS jsonb LANGUAGE c STRICT VOLATILE PARALLEL UNSAFE
AS '$libdir/asyncjob_steps', 'aj_step_battery_store_results';
COMMENT ON FUNCTION asyncjob.step_battery_store_results(jsonb) IS
    'Join the results of a battery analysis. Artifacts insights, daily.csv, hourly_profile.csv, cycles.csv, anomalies.csv, report.html.';

CREATE FUNCTION asyncjob.check_battery_insights(params jsonb)
RETURNS void LANGUAGE c STRICT VOLATILE PARALLEL UNSAFE
AS '$libdir/asyncjob_steps', 'aj_check_battery_insights';
COMMENT ON FUNCTION asyncjob.check_battery_insights(jsonb) IS
    'Raise what the first step of battery_insights would refuse in these params. Errors AJ101: telemetry_missing, telemetry_unknown, telemetry_insufficient, unit_or_range, parameter_missing, parameter_unknown.';


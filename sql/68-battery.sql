-- The pipeline battery_insights. It stands after those that version 0.1.0
-- has, which keep their numbers.

SELECT asyncjob.create_pipeline('battery_insights', '[
        {"name": "initialize", "handler": "asyncjob.step_battery_initialize", "after": []},
        {"name": "load_telemetry", "handler": "asyncjob.step_battery_load_telemetry", "after": ["initialize"]},
        {"name": "validate_telemetry", "handler": "asyncjob.step_battery_validate_telemetry", "after": ["load_telemetry"]},
        {"name": "energy_balance", "handler": "asyncjob.step_battery_energy_balance", "after": ["validate_telemetry"]},
        {"name": "cycles", "handler": "asyncjob.step_battery_cycles", "after": ["validate_telemetry", "energy_balance"]},
        {"name": "capacity_resistance", "handler": "asyncjob.step_battery_capacity_resistance", "after": ["validate_telemetry", "energy_balance", "cycles"]},
        {"name": "imbalance_temperature", "handler": "asyncjob.step_battery_imbalance_temperature", "after": ["validate_telemetry", "capacity_resistance"]},
        {"name": "trend_forecast", "handler": "asyncjob.step_battery_trend_forecast", "after": ["energy_balance", "cycles", "capacity_resistance", "imbalance_temperature"]},
        {"name": "anomalies", "handler": "asyncjob.step_battery_anomalies", "after": ["capacity_resistance", "trend_forecast"]},
        {"name": "recommendations", "handler": "asyncjob.step_battery_recommendations", "after": ["validate_telemetry", "energy_balance", "cycles", "capacity_resistance", "imbalance_temperature", "trend_forecast", "anomalies"]},
        {"name": "store_results", "handler": "asyncjob.step_battery_store_results", "after": ["initialize", "load_telemetry", "validate_telemetry", "energy_balance", "cycles", "capacity_resistance", "imbalance_temperature", "trend_forecast", "anomalies", "recommendations"]}
    ]',
    description => 'A battery''s telemetry: energy, cycles, capacity, resistance, trend, anomalies, advice, one HTML file.',
    validator => 'asyncjob.check_battery_insights');


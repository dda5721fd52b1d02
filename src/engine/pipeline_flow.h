/*-------------------------------------------------------------------------
 *
 * pipeline_flow.h
 *		What a step says about retries and about its place in the flow.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJ_PIPELINE_FLOW_H
#define AJ_PIPELINE_FLOW_H

#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/jsonb.h"

#include "pipeline.h"

extern void aj_step_flow_parse(JsonbContainer *object, AjStep *step);
extern bool aj_pipeline_is_dag(const AjPipeline *pipeline);
extern void aj_step_flow_normalise(StringInfo s, const AjStep *step);

#endif							/* AJ_PIPELINE_FLOW_H */

/*-------------------------------------------------------------------------
 *
 * dag.h
 *		Which step of a job comes next, and which run beside each other.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJ_DAG_H
#define AJ_DAG_H

#include "postgres.h"

#include "executor.h"
#include "queue_dag.h"

/* Why a condition, or a list of items, can't be had. */
typedef struct AjRefusal
{
	char	   *message;
	const char *hint;
} AjRefusal;

extern AjState aj_dag_enter(AjRun *run, int64 worker_id, bool alone,
							bool *found);
extern bool aj_dag_begin(int64 job_id);
extern void aj_dag_begin_offered(Oid owner);
extern AjState aj_dag_step_done(AjRun *run, AjOutcome outcome, Jsonb *output,
								Jsonb *error);
extern void aj_dag_settle(int64 parent_id);
extern void aj_dag_branch_ended(const AjRun *run, AjState state);
extern void aj_dag_sweep(Oid owner);
extern void aj_dag_sweep_soon(void);
extern bool aj_dag_sweep_wanted(void);

/* dag_data.c */
extern Jsonb *aj_dag_step_input(const AjRun *run, int step_no, Jsonb *item,
								int item_no);
extern Jsonb *aj_dag_input(const AjRun *run, Jsonb *item, int item_no);
extern void aj_dag_load(AjRun *run);
extern Jsonb *aj_dag_result(const AjRun *run);
extern bool aj_dag_condition(const AjRun *run, int step_no, bool *holds,
							 AjRefusal *why);
extern bool aj_dag_items(const AjRun *run, int step_no, Jsonb **items,
						 AjRefusal *why);
extern Jsonb *aj_dag_call_items(AjRun *run);

#endif							/* AJ_DAG_H */

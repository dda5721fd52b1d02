/*-------------------------------------------------------------------------
 *
 * kernel.h
 *		What every numeric kernel shares: error codes and the poll callback.
 *
 * The kernels are plain C11 without any server header, so that they can be
 * tested under the sanitizers without a server.  They never abort and never
 * jump: a function that can fail returns an AjkError, and a long loop asks
 * its caller through an ajk_poll now and then whether to go on.
 *
 * Memory is either the caller's, or comes from malloc and is given back by
 * the function's named free routine.  Angles are degrees and lengths metres
 * unless a name says otherwise.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJK_KERNEL_H
#define AJK_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum AjkError
{
	AJK_OK = 0,
	AJK_NOMEM,					/* malloc returned NULL */
	AJK_STOPPED,				/* the poll callback asked to stop */
	AJK_INVALID,				/* an argument breaks the function's contract */
	AJK_RANGE,					/* a number is outside its allowed range */
	AJK_SYNTAX,					/* input text cannot be read */
	AJK_INFEASIBLE				/* no result satisfies the constraints */
} AjkError;

/*
 * Called from inside long loops at least every few milliseconds, with the
 * share of the work that is done (0..1).  Returns true to stop; the kernel
 * then gives up what it holds and returns AJK_STOPPED.  A NULL poll means
 * never stop.
 */
typedef bool (*ajk_poll) (void *arg, double fraction);

#define AJK_PI 3.14159265358979323846
#define AJK_DEG2RAD(d) ((d) * (AJK_PI / 180.0))
#define AJK_RAD2DEG(r) ((r) * (180.0 / AJK_PI))

#endif							/* AJK_KERNEL_H */

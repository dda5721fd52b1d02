/*-------------------------------------------------------------------------
 *
 * lanes.h
 *		Loops that a compiler turns into vector instructions.
 *
 * A kernel's hot loop is written once, as an inline body over blocks of
 * lanes, and compiled several times by AJK_VARIANTS: for the processor every
 * build runs on, and for wider vectors, of which the machine's own is chosen
 * when first needed.  All variants give the same bits: every lane does the
 * same operations in the same order, sums are kept per lane and added up in
 * one order, and no operation is contracted (-ffp-contract=off).
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJK_LANES_H
#define AJK_LANES_H

#include "kernel.h"

#include <math.h>
#include <string.h>

/* Of a sum that is kept per lane; a width all variants divide */
#define AJK_LANES 8

#define AJK_BODY static inline __attribute__((always_inline))

/*
 * exp(x) for x <= 0, 2e-16 relative: Cody and Waite's reduction to |r| <=
 * ln(2) / 2 and Taylor's polynomial of degree 13.  Below -700 it is that of
 * -700, 1e-304.
 */
AJK_BODY double
ajk_exp_neg(double x)
{
	const double magic = 6755399441055744.0;	/* 1.5 * 2^52 */
	double		t;
	double		k;
	double		r;
	double		p;
	int64_t		bits;

	x = x < -700.0 ? -700.0 : x;
	t = x * 1.4426950408889634 + magic;
	k = t - magic;
	r = x - k * 6.93147180369123816490e-01;
	r -= k * 1.90821492927058770002e-10;
	p = 1.0 / 6227020800.0;
	p = p * r + 1.0 / 479001600.0;
	p = p * r + 1.0 / 39916800.0;
	p = p * r + 1.0 / 3628800.0;
	p = p * r + 1.0 / 362880.0;
	p = p * r + 1.0 / 40320.0;
	p = p * r + 1.0 / 5040.0;
	p = p * r + 1.0 / 720.0;
	p = p * r + 1.0 / 120.0;
	p = p * r + 1.0 / 24.0;
	p = p * r + 1.0 / 6.0;
	p = p * r + 0.5;
	p = p * r + 1.0;
	p = p * r + 1.0;
	/* the low bits of t hold k as an integer; 2^k is put together by hand */
	memcpy(&bits, &t, sizeof(bits));
	bits = (int64_t) ((uint64_t) (bits + 1023) << 52);
	memcpy(&t, &bits, sizeof(t));
	return p * t;
}

/*
 * AJK_VARIANTS(returns, name, (parameters), (arguments)) makes name() of the
 * body name_body().
 */
#if defined(__x86_64__) && defined(__GNUC__)
#define AJK_VARIANTS(ret, name, params, args) \
	__attribute__((target("avx512f,avx512dq,avx512vl,prefer-vector-width=512"))) \
	static ret name##_avx512 params { return name##_body args; } \
	__attribute__((target("avx2"))) \
	static ret name##_avx2 params { return name##_body args; } \
	static ret name##_plain params { return name##_body args; } \
	static ret name params \
	{ \
		static ret (*chosen) params; \
		if (chosen == NULL) \
			chosen = __builtin_cpu_supports("avx512dq") && \
				__builtin_cpu_supports("avx512vl") ? name##_avx512 : \
				__builtin_cpu_supports("avx2") ? name##_avx2 : name##_plain; \
		return chosen args; \
	}
#else
#define AJK_VARIANTS(ret, name, params, args) \
	static ret name params { return name##_body args; }
#endif

#endif							/* AJK_LANES_H */

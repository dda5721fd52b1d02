/*-------------------------------------------------------------------------
 *
 * rng.h
 *		A small deterministic random number generator.
 *
 * The same seed gives the same numbers on every machine, which is what
 * makes a layout reproducible.  The generator is the xoshiro256** of
 * Blackman and Vigna (Scrambled linear pseudorandom number generators,
 * ACM TOMS 47(4), 2021), its state filled by splitmix64 (Steele, Lea and
 * Flood, OOPSLA 2014).  Not for secrets.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJK_RNG_H
#define AJK_RNG_H

#include "kernel.h"

#include <math.h>

typedef struct AjkRng
{
	uint64_t	s[4];
} AjkRng;

/* One step of splitmix64: spreads neighbouring seeds far apart. */
static inline uint64_t
ajk_splitmix64(uint64_t *state)
{
	uint64_t	z = (*state += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static inline void
ajk_rng_seed(AjkRng *rng, uint64_t seed)
{
	for (int i = 0; i < 4; i++)
		rng->s[i] = ajk_splitmix64(&seed);
}

static inline uint64_t
ajk_rotl64(uint64_t x, int k)
{
	return (x << k) | (x >> (64 - k));
}

static inline uint64_t
ajk_rng_next(AjkRng *rng)
{
	uint64_t   *s = rng->s;
	uint64_t	result = ajk_rotl64(s[1] * 5, 7) * 9;
	uint64_t	t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = ajk_rotl64(s[3], 45);
	return result;
}

/* Uniform in [0, 1), a multiple of 2^-53. */
static inline double
ajk_rng_uniform(AjkRng *rng)
{
	return (double) (ajk_rng_next(rng) >> 11) * (1.0 / 9007199254740992.0);
}

/* Uniform in 0 .. n-1; n must be positive.  The bias, n / 2^53, is nil here. */
static inline int
ajk_rng_below(AjkRng *rng, int n)
{
	int			i = (int) (ajk_rng_uniform(rng) * n);

	return i < n ? i : n - 1;
}

/* Standard normal by the polar method; the second value is thrown away. */
static inline double
ajk_rng_normal(AjkRng *rng)
{
	double		u,
				v,
				q;

	do
	{
		u = 2.0 * ajk_rng_uniform(rng) - 1.0;
		v = 2.0 * ajk_rng_uniform(rng) - 1.0;
		q = u * u + v * v;
	} while (q >= 1.0 || q == 0.0);
	return u * sqrt(-2.0 * log(q) / q);
}

#endif							/* AJK_RNG_H */

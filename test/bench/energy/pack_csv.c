/*-------------------------------------------------------------------------
 *
 * pack_csv.c
 *		A year of a made-up battery's telemetry at ten minutes, as CSV.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "../../unit/battery_pack.h"

#include <stdio.h>

int
main(void)
{
	static const Pack house = {280, 0.03, 0.985, 0.010, 0.005, 0.010, 0.3, 600, 365, 42};
	PackData	d = pack_run(&house);

	puts("time,soc,current_a,voltage_v,temp_c,cell_min_v,cell_max_v");
	for (int i = 0; i < d.n; i++)
		printf("%.0f,%.5f,%.3f,%.3f,%.2f,%.4f,%.4f\n", d.t[i], d.soc[i], d.current[i], d.voltage[i],
			   d.temp[i], d.cell_min[i], d.cell_max[i]);
	return 0;
}

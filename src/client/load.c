/*-------------------------------------------------------------------------
 *
 * load.c
 *		asyncjob load: files into the inputs of the energy pipelines.
 *
 *		dem			ESRI ASCII grid; other rasters through gdal_translate
 *		site		GeoJSON or KML
 *		wind		a resource in JSON (rose or Weibull), or a table of measurements
 *		turbine		JSON
 *		telemetry	a table of measurements
 *
 * The server checks all of it.  Rasters that are not ASCII grids are turned
 * into one by GDAL's own program where it is installed, so that the command
 * needs no library of its size.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client.h"

/* Without directory and extension: the name if none is given */
static char *
name_of(const char *path)
{
	const char *base = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
	char	   *name = ajc_alloc(NULL, strlen(base) + 1);

	strcpy(name, base);
	if (strchr(name + 1, '.'))
		*strchr(name + 1, '.') = '\0';
	return name;
}

static bool
has_extension(const char *path, const char *extension)
{
	size_t		len = strlen(path);
	size_t		n = strlen(extension);

	return len > n && strcasecmp(path + len - n, extension) == 0;
}

/* A file's text; NULL after a message. */
static char *
read_file(const char *path)
{
	char	   *arg = ajc_alloc(NULL, strlen(path) + 2);
	char	   *text;

	sprintf(arg, "@%s", path);
	text = ajc_read_params(strcmp(path, "-") == 0 ? "-" : arg);
	free(arg);
	return text;
}

/* ---- rasters ---- */

/* Have gdal_translate write an ASCII grid, in WGS 84 or as it is. */
static char *
translate_raster(const char *path)
{
	char		directory[] = "/tmp/asyncjob.XXXXXX";
	char		grid[64],
				aux[80];
	char	   *text = NULL;
	pid_t		pid;
	int			status;

	if (mkdtemp(directory) == NULL)
	{
		fprintf(stderr, "asyncjob: could not make a temporary directory: %s\n", strerror(errno));
		return NULL;
	}
	snprintf(grid, sizeof(grid), "%s/grid.asc", directory);
	pid = fork();
	if (pid == 0)
	{
		execlp("gdal_translate", "gdal_translate", "-q", "-of", "AAIGrid", "-b", "1",
			   "-co", "FORCE_CELLSIZE=TRUE", path, grid, (char *) NULL);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		status = -1;
	else
		status = WEXITSTATUS(status);
	if (status == 127)
		fprintf(stderr, "asyncjob: \"%s\" is no ESRI ASCII grid, and gdal_translate is not installed\n"
				"HINT:  Install it (Debian: gdal-bin), or give an .asc file.\n", path);
	else if (status != 0)
		fprintf(stderr, "asyncjob: gdal_translate could not read \"%s\"\n", path);
	else
		text = read_file(grid);
	(void) unlink(grid);
	snprintf(aux, sizeof(aux), "%s.aux.xml", grid);
	(void) unlink(aux);
	snprintf(aux, sizeof(aux), "%s/grid.prj", directory);
	(void) unlink(aux);
	(void) rmdir(directory);
	return text;
}

/* ---- the command ---- */

/* Print what the loader says of it: a JSON object, a line for each key. */
static int
print_loaded(const AjcOptions *options, const char *sql, const char *const *params, int nparams)
{
	char	   *pretty = ajc_alloc(NULL, strlen(sql) + 256);
	AjcResult  *res;

	sprintf(pretty, options->json ? "SELECT pg_catalog.to_jsonb(l) FROM %s l"
			: "SELECT e.key, e.value FROM %s l, pg_catalog.jsonb_each_text(pg_catalog.to_jsonb(l)) e"
			" WHERE pg_catalog.length(e.value) < 200", sql);
	res = ajc_query(pretty, nparams, params, 0);
	free(pretty);
	if (!ajc_query_ok(res))
		return ajc_failed(res);
	for (int i = 0; i < ajc_ntuples(res); i++)
	{
		ajc_sanitize(ajc_value(res, i, 0));
		if (options->json)
			printf("%s\n", ajc_value(res, i, 0));
		else
		{
			ajc_sanitize(ajc_value(res, i, 1));
			printf("%-20s %.58s\n", ajc_value(res, i, 0), ajc_value(res, i, 1));
		}
	}
	ajc_clear(res);
	return EXIT_OK;
}

int
ajc_cmd_load(const AjcOptions *options, int argc, char **argv)
{
	const char *kind = argc > 0 ? argv[0] : "";
	const char *path = argc > 1 ? argv[1] : "";
	char	   *name;
	char	   *text = NULL;
	const char *params[3] = {NULL, NULL, NULL};
	const char *sql;
	int			rc = EXIT_ERROR;

	if (argc != 2)
	{
		fprintf(stderr, "asyncjob: usage: asyncjob load dem|site|wind|turbine|telemetry FILE [--name NAME]\n");
		return EXIT_ERROR;
	}
	if (strcmp(path, "-") == 0 && options->name == NULL)
	{
		fprintf(stderr, "asyncjob: what comes from standard input needs a --name\n");
		return EXIT_ERROR;
	}
	name = options->name ? NULL : name_of(path);
	params[0] = options->name ? options->name : name;
	params[2] = options->epsg ? options->epsg : "4326";
	if (strcmp(kind, "dem") == 0)
	{
		sql = "asyncjob.load_dem($1, $2, $3::pg_catalog.int4)";
		text = has_extension(path, ".tif") || has_extension(path, ".tiff") ||
			has_extension(path, ".img") || has_extension(path, ".vrt") ||
			has_extension(path, ".hgt") ? translate_raster(path) : read_file(path);
	}
	else if (strcmp(kind, "site") == 0)
	{
		sql = has_extension(path, ".kml") ? "asyncjob.load_site_kml($1, $2)"
			: "asyncjob.load_site($1, $2::pg_catalog.jsonb)";
		text = read_file(path);
	}
	else if (strcmp(kind, "turbine") == 0)
	{
		sql = "asyncjob.load_turbine($1, $2::pg_catalog.jsonb)";
		text = read_file(path);
	}
	else if (strcmp(kind, "telemetry") == 0 || strcmp(kind, "wind") == 0)
	{
		text = read_file(path);
		sql = "asyncjob.load_wind_series_csv($1, $2)";
		if (text != NULL && kind[0] == 'w' && text[strspn(text, " \t\r\n")] == '{')
			sql = strstr(text, "weibull_a_m_s") ? "asyncjob.load_weibull($1, $2::pg_catalog.jsonb)"
				: "asyncjob.load_wind_rose($1, $2::pg_catalog.jsonb)";
	}
	else
	{
		fprintf(stderr, "asyncjob: cannot load \"%s\"; dem, site, wind, turbine or telemetry can be\n", kind);
		free(name);
		return EXIT_ERROR;
	}
	if (text != NULL)
	{
		params[1] = text;
		rc = print_loaded(options, sql, params, kind[0] == 'd' ? 3 : 2);
	}
	free(text);
	free(name);
	return rc;
}

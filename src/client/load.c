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
 * into one by GDAL's own programs where they are installed.  Linking libgdal
 * instead would bind every build of the command to one version of it and load
 * a hundred libraries for submit and status as well; this way whoever has GDAL
 * has GeoTIFF, also with a command that was built elsewhere.
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
	const char *dot = strrchr(base, '.');
	size_t		len = dot != NULL && dot != base ? (size_t) (dot - base) : strlen(base);
	char	   *name = ajc_alloc(NULL, len + 1);

	memcpy(name, base, len);
	name[len] = '\0';
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

/*
 * Run one of GDAL's programs with its output in a file, and what it complains
 * of in another.  Its exit code, 127 if it isn't installed.
 */
static int
run_tool(const char *const *argv, const char *out, const char *log)
{
	pid_t		pid = fork();
	int			status;

	if (pid == 0)
	{
		if (freopen(out, "w", stdout) == NULL || freopen(log, "w", stderr) == NULL)
			_exit(126);
		execvp(argv[0], (char *const *) argv);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}

/* The number in "EPSG:32616"; false if the raster doesn't say it. */
static bool
find_epsg(const char *text, char *epsg, size_t size)
{
	const char *p = text ? strstr(text, "EPSG:") : NULL;
	size_t		digits = p ? strspn(p + 5, "0123456789") : 0;

	if (digits == 0 || digits >= size)
		return false;
	memcpy(epsg, p + 5, digits);
	epsg[digits] = '\0';
	return true;
}

/*
 * Have gdal_translate write an ASCII grid, and gdalsrsinfo say in which
 * coordinate system it is where epsg is empty.  Cells that are not square
 * stay so: the grid has dx and dy then.
 */
static char *
translate_raster(const char *path, char *epsg, size_t size)
{
	static const char *const files[] = {"grid.asc", "grid.asc.aux.xml", "grid.prj", "out", "log"};
	const char *base = getenv("TMPDIR") && getenv("TMPDIR")[0] ? getenv("TMPDIR") : "/tmp";
	char	   *directory = ajc_alloc(NULL, strlen(base) + 32);
	char	   *names[5];
	char	   *input = ajc_alloc(NULL, strlen(path) + 3);
	char	   *text = NULL;
	int			status;

	/* not to be taken for an option */
	sprintf(input, "%s%s", path[0] == '-' ? "./" : "", path);
	sprintf(directory, "%s/asyncjob.XXXXXX", base);
	if (access(path, R_OK) != 0)
		fprintf(stderr, "asyncjob: could not open \"%s\": %s\n", path, strerror(errno));
	else if (mkdtemp(directory) == NULL)
		fprintf(stderr, "asyncjob: could not make a temporary directory: %s\n", strerror(errno));
	else
	{
		for (int i = 0; i < 5; i++)
		{
			names[i] = ajc_alloc(NULL, strlen(directory) + 32);
			sprintf(names[i], "%s/%s", directory, files[i]);
		}
		if (epsg[0] == '\0')
		{
			const char *srs[] = {"gdalsrsinfo", "-o", "epsg", input, NULL};
			char	   *said = NULL;

			if (run_tool(srs, names[3], names[4]) == 0)
				said = read_file(names[3]);
			(void) find_epsg(said, epsg, size);
			free(said);
		}
		{
			const char *translate[] = {"gdal_translate", "-q", "-of", "AAIGrid", "-b", "1",
			input, names[0], NULL};

			status = run_tool(translate, names[3], names[4]);
		}
		if (status == 127)
			fprintf(stderr, "asyncjob: \"%s\" is no ESRI ASCII grid, and gdal_translate is not installed\n"
					"HINT:  Install it (Debian: gdal-bin), or give an .asc file.\n", path);
		else if (status != 0)
		{
			char	   *log = read_file(names[4]);

			if (log != NULL)
				ajc_sanitize_text(log);
			fprintf(stderr, "asyncjob: gdal_translate could not read \"%s\"\n%s", path, log ? log : "");
			free(log);
		}
		else if (epsg[0] == '\0')
			fprintf(stderr, "asyncjob: \"%s\" does not say in which coordinate system it is\n"
					"HINT:  Give its EPSG code: --epsg 4326 for degrees, --epsg 32616 for UTM zone 16 north.\n", path);
		else
			text = read_file(names[0]);
		for (int i = 0; i < 5; i++)
		{
			(void) unlink(names[i]);
			free(names[i]);
		}
		(void) rmdir(directory);
	}
	free(input);
	free(directory);
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
			printf("%-20s ", ajc_value(res, i, 0));
			ajc_print_padded(ajc_value(res, i, 1),
							 ajc_width(ajc_value(res, i, 1)) < 58 ? ajc_width(ajc_value(res, i, 1)) : 58);
			putchar('\n');
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
	char		epsg[16] = "";
	const char *sql;
	int			rc = EXIT_ERROR;

	if (strcmp(path, "-") == 0 && options->name == NULL)
	{
		fprintf(stderr, "asyncjob: what comes from standard input needs a --name\n");
		return EXIT_ERROR;
	}
	name = options->name ? NULL : name_of(path);
	params[0] = options->name ? options->name : name;
	snprintf(epsg, sizeof(epsg), "%s", options->epsg ? options->epsg : "");
	params[2] = epsg;
	if (strcmp(kind, "dem") == 0)
	{
		sql = "asyncjob.load_dem($1, $2, $3::pg_catalog.int4)";
		text = has_extension(path, ".tif") || has_extension(path, ".tiff") ||
			has_extension(path, ".img") || has_extension(path, ".vrt") ||
			has_extension(path, ".hgt") ? translate_raster(path, epsg, sizeof(epsg)) : read_file(path);
		if (epsg[0] == '\0')
			strcpy(epsg, "4326");
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

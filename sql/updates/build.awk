# build.awk: the update script from an older version, from its install script
# (the first file), the hand-written parts beside that and the parts of
# today's install script.
#
# What can be replaced (functions, procedures, views, policies, comments, rights)
# is taken from today's parts; so is every table, type and index that the older
# version has none of.  What changes a table, type or index that it has, or
# rows of it, is written by hand: sql/updates/OLD/NN-topic.sql, run before the
# rest where NN is below 50, and after it from 50 on.
#
# A statement ends with a semicolon at the end of a line, outside of quotes.

function trim_comment(line)
{
	if (line ~ /^[ \t]*--/)
		return ""
	sub(/[ \t]--[ \t].*$/, "", line)
	return line
}

function count(line, what,    n)
{
	n = 0
	while ((i = index(line, what)) > 0)
	{
		n++
		line = substr(line, i + length(what))
	}
	return n
}

function word(s, n,    w)
{
	split(s, w, /[ \t\n(;]+/)
	return w[n]
}

# Kind and name of what a statement creates, "" if it creates nothing that
# would have to be altered.
function created(s)
{
	if (s ~ /^CREATE (TABLE|TYPE|SEQUENCE|INDEX|DOMAIN) /)
		return word(s, 2) " " word(s, 3)
	if (s ~ /^CREATE UNIQUE INDEX /)
		return "INDEX " word(s, 4)
	return ""
}

function emit(s)
{
	printf "%s", s
}

function statement(s,    c, t)
{
	c = created(s)
	if (old)
	{
		if (c != "")
			had[c] = 1
		return
	}
	if (hand)
	{
		emit(s)
		return
	}
	if (c != "")
	{
		if (!(c in had))
			emit(s)
		return
	}
	if (s ~ /^CREATE (FUNCTION|PROCEDURE|VIEW|TRIGGER|AGGREGATE) /)
	{
		sub(/^CREATE/, "CREATE OR REPLACE", s)
		emit(s)
	}
	else if (s ~ /^CREATE POLICY /)
	{
		t = word(s, 3) " ON " word(s, 5)
		emit("DROP POLICY IF EXISTS " t ";\n" s)
	}
	else if (s ~ /^ALTER TABLE /)
	{
		if (!(("TABLE " word(s, 3)) in had) || s ~ /ENABLE ROW LEVEL SECURITY;/)
			emit(s)
	}
	else if (s ~ /^INSERT INTO /)
	{
		if (!(("TABLE " word(s, 3)) in had))
			emit(s)
	}
	else if (s ~ /^REVOKE /)
		# at the end: it touches functions that the last part must tell
		# from those that were replaced
		revokes = revokes s
	else if (s ~ /^(COMMENT ON|ALTER FUNCTION|SET LOCAL) / ||
		s ~ /^SELECT pg_catalog.pg_extension_config_dump/)
		emit(s)
	else if (s !~ /^SELECT asyncjob\.(create_pipeline|_install)\(/)
	{
		print "sql/updates/build.awk: " FILENAME ": what is to become of this in an update?\n" s > "/dev/stderr"
		failed = 1
		exit 1
	}
}

BEGIN {
	print "-- asyncjob: update script, built by sql/updates/build.awk."
	print "\\echo Use \"ALTER EXTENSION asyncjob UPDATE\" to load this file. \\quit"
	print ""
	print "SET LOCAL search_path TO pg_catalog, pg_temp;"
}

FNR == 1 {
	files++
	old = files == 1
	hand = FILENAME ~ /sql\/updates\//
}

/^\\/ { next }

{
	code = dollar || quote ? $0 : trim_comment($0)
	if (text == "" && code ~ /^[ \t]*$/)
		next
	text = text code "\n"
	if (!quote)
		dollar = (dollar + count(code, "$$")) % 2
	if (!dollar && code !~ /\$\$.*\$\$/)
		quote = (quote + count(code ~ /\$\$/ ? substr(code, index(code, "$$") + 2) : code, "'")) % 2
	if (!dollar && !quote && code ~ /;[ \t]*$/)
	{
		statement(text)
		text = ""
	}
}

END {
	if (!failed && text != "")
	{
		print "sql/updates/build.awk: unfinished statement:\n" text > "/dev/stderr"
		exit 1
	}
	printf "%s", revokes
}

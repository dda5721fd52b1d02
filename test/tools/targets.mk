# targets.mk: the targets that test, show and measure; the scripts beside this
# file do the work.  Those that need a server bring their own (lib.sh).
#
#   make check          all tests in private clusters; SUITES="unit regress"
#                       runs some stages, TESTS="submit" some tests
#   make check-matrix   the same on PostgreSQL 15, 17, 18 and 19 (root; chroots)
#   make demo           a full analysis on real terrain, report in ./demo
#   make bench          test/bench/*.sh, or BENCH="engine peers" of them
#   make unitcheck      the kernels' unit tests: no server, under ASan, UBSan
#   make check-layers   the rules of the architecture, on a built tree
#   make indent         format the C sources; indent-check only looks
#   make typedefs       the list of types that indent needs, from a build

TOOL_ENV = PG_CONFIG='$(PG_CONFIG)' CI='$(CI)' SUITES='$(SUITES)' TESTS='$(TESTS)'
C_FILES = $(sort $(wildcard src/*/*.[ch] test/unit/*.[ch]))
MATRIX = 15 17 18 19

$(CLIENT_OBJS): override CPPFLAGS += -DAJC_VERSION='"$(EXTVERSION)"'

ifeq ($(PGXS),)
.PHONY: all install uninstall installcheck clean
all install uninstall installcheck:
	@echo 'The headers of a PostgreSQL server are needed, and a pg_config that knows them:' >&2
	@echo 'run test/tools/prereqs.sh as root, or set PG_CONFIG=/path/to/pg_config.' >&2
	@false
clean:
	rm -rf $(EXTRA_CLEAN) $(OBJS) asyncjob.so asyncjob_steps.so $(DATA_built)
endif

.PHONY: check run-check check-matrix check-layers demo bench unitcheck \
	indent indent-check typedefs

# PGXS has a recipe of its own for "check" that only says no; Makefile does
# not read it for the targets of this file.
check: run-check
run-check:
	@exec env $(TOOL_ENV) test/tools/check.sh

check-matrix:
	@exec env PGM_EXTRA=libpng-dev,libncurses-dev,libcurl4-openssl-dev,pkg-config,gzip,binutils \
	  test/tools/pg-matrix.sh $(MATRIX) -- "CI='$(CI)' SUITES='$(SUITES)' TESTS='$(TESTS)' test/tools/check.sh"

demo:
	@exec env $(TOOL_ENV) test/tools/demo.sh

bench:
	@exec env $(TOOL_ENV) test/tools/bench.sh

unitcheck:
	@exec env $(TOOL_ENV) test/tools/prereqs.sh
	$(MAKE) -C test/unit check

check-layers:
	@PG_CONFIG='$(PG_CONFIG)' perl test/tools/layers.pl

indent:
	@perl test/tools/indent.pl $(C_FILES)

indent-check:
	@perl test/tools/indent.pl --check $(C_FILES)

typedefs:
	@$(MAKE) -s all
	perl test/tools/typedefs.pl $(OBJS) $(STEP_OBJS) $(KERNEL_OBJS) $(CLIENT_OBJS) \
	  > test/tools/typedefs.new
	mv test/tools/typedefs.new test/tools/typedefs.list

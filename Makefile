# asyncjob: one PGXS makefile for the engine, the compiled steps and the client.
#
# Products:  asyncjob.so        the engine, preloaded (src/engine)
#            asyncjob_steps.so  compiled steps, loaded on first call
#                               (src/steps + src/kernels)
#            src/client/libasyncjob.so.0, .a  the client library (libpq)
#            src/client/asyncjob  the command, with the library in it
#            sql/asyncjob--X.Y.Z.sql  built from sql/NN-*.sql
#
# Front doors: make demo, make check.  See README.md.

EXTENSION = asyncjob
EXTVERSION := $(shell sed -n "s/^default_version *= *'\(.*\)'/\1/p" asyncjob.control)

MODULE_big = asyncjob
OBJS = $(patsubst %.c,%.o,$(sort $(wildcard src/engine/*.c)))

SQL_PARTS := $(sort $(wildcard sql/[0-9][0-9]-*.sql))
# Versions that can be updated from: sql/updates/VERSION/ (see build.awk there).
OLD_VERSIONS := $(notdir $(patsubst %/,%,$(wildcard sql/updates/*/)))
INSTALL_SQL = sql/asyncjob--$(EXTVERSION).sql
UPDATE_SQL = $(foreach v,$(OLD_VERSIONS),sql/asyncjob--$(v)--$(EXTVERSION).sql)
DATA_built = $(INSTALL_SQL) $(UPDATE_SQL)
HEADERS_asyncjob = src/include/asyncjob.h

STEP_OBJS = $(patsubst %.c,%.o,$(sort $(wildcard src/steps/*.c)))
KERNEL_OBJS = $(patsubst %.c,%.o,$(sort $(wildcard src/kernels/*.c)))
LIB_OBJS = $(patsubst %.c,%.o,$(sort $(wildcard src/client/lib*.c)))
COMMAND_OBJS = $(filter-out $(LIB_OBJS),$(patsubst %.c,%.o,$(sort $(wildcard src/client/*.c))))
CLIENT_OBJS = $(LIB_OBJS) $(COMMAND_OBJS)
STEPS_LIB = asyncjob_steps$(DLSUFFIX)
CLIENT = src/client/asyncjob
# The number in the name of the client library changes only where a program
# built with an older one would break.
CLIENT_SO = src/client/libasyncjob.so.0
CLIENT_A = src/client/libasyncjob.a
CLIENT_MAP = src/client/libasyncjob.map
# asyncjob top needs ncurses; without its header the command is built without.
NCURSES := $(shell echo '\#include <ncurses.h>' | $(CC) -E - >/dev/null 2>&1 && echo -lncursesw)
CLIENT_PRODUCTS = $(CLIENT) $(CLIENT_SO) $(CLIENT_A)

REGRESS = $(patsubst test/sql/%.sql,%,$(sort $(wildcard test/sql/*.sql)))
REGRESS_OPTS = --inputdir=test
ISOLATION = $(patsubst test/specs/%.spec,%,$(sort $(wildcard test/specs/*.spec)))
ISOLATION_OPTS = --inputdir=test --outputdir=.
TAP_TESTS = 1
PROVE_TESTS = test/t/*.pl

# Header dependencies: Debian's PGXS has autodepend off, so the compiler
# writes them beside the objects.
PG_CPPFLAGS = -I$(srcdir)/src/include -MMD -MP \
	-DAJ_VERSION='"$(EXTVERSION)"' $(AJ_CPPFLAGS)
# Two libraries in one process: each binds to its own functions first.
SHLIB_LINK = -Wl,-Bsymbolic
# The compiler may inline sqrt and vectorise a choice; results are unchanged.
KERNEL_CFLAGS = -O3 -fno-math-errno -fno-trapping-math -ffp-contract=off
ifdef CI
PG_CFLAGS += -Werror
endif

EXTRA_CLEAN = $(STEPS_LIB) $(CLIENT_PRODUCTS) $(STEP_OBJS) $(KERNEL_OBJS) $(CLIENT_OBJS) \
	$(wildcard src/*/*.d src/*/*.bc) test/unit/bin build results output_iso \
	tmp_check tmp_check_iso regression.out regression.diffs log

# Bitcode for JIT inlining is of no use to an engine of background workers.
override with_llvm = no

PG_CONFIG ?= pg_config
# The goals of targets.mk do without PGXS, whose own "check" only says no.
OWN_GOALS = check check-matrix check-layers demo bench unitcheck indent \
	indent-check typedefs
ifneq ($(filter-out $(OWN_GOALS),$(or $(MAKECMDGOALS),all)),)
PGXS := $(shell $(PG_CONFIG) --pgxs 2>/dev/null)
endif
ifneq ($(PGXS),)
include $(PGXS)

all: $(STEPS_LIB) $(CLIENT_PRODUCTS)

$(INSTALL_SQL): $(SQL_PARTS) asyncjob.control
	cat $(SQL_PARTS) > $@

define update_script
sql/asyncjob--$(1)--$(EXTVERSION).sql: sql/updates/build.awk $(SQL_PARTS) asyncjob.control \
		$$(wildcard sql/updates/$(1)/*.sql)
	awk -f sql/updates/build.awk sql/updates/$(1)/asyncjob--$(1).sql \
	  $$(sort $$(wildcard sql/updates/$(1)/[0-4]*.sql)) $(SQL_PARTS) \
	  $$(sort $$(wildcard sql/updates/$(1)/[5-9]*.sql)) > $$@.new
	mv $$@.new $$@
endef
$(foreach v,$(OLD_VERSIONS),$(eval $(call update_script,$(v))))

$(KERNEL_OBJS): override CFLAGS += $(KERNEL_CFLAGS)
$(CLIENT_OBJS): override CPPFLAGS := -I$(srcdir)/src/include -I$(includedir) -MMD -MP -D_GNU_SOURCE $(if $(NCURSES),,-DAJC_NO_NCURSES)

# From PostgreSQL 16 on PGXS hides all names of a module; which ones of the
# library are seen is up to its version script.
$(LIB_OBJS): override CFLAGS += -fvisibility=default

$(STEPS_LIB): $(STEP_OBJS) $(KERNEL_OBJS)
	$(CC) $(CFLAGS) -shared -o $@ $^ $(LDFLAGS) -Wl,-Bsymbolic -lpng -lm

$(CLIENT_SO): $(LIB_OBJS) $(CLIENT_MAP)
	$(CC) $(CFLAGS) -shared -o $@ $(LIB_OBJS) $(LDFLAGS) $(libpq) -lpthread \
	  -Wl,-soname,$(notdir $@) -Wl,--version-script=$(CLIENT_MAP) -Wl,-z,defs

$(CLIENT_A): $(LIB_OBJS)
	rm -f $@
	$(AR) crs $@ $^

$(CLIENT): $(COMMAND_OBJS) $(CLIENT_A)
	$(CC) $(CFLAGS) -o $@ $^ $(LDFLAGS) $(libpq) $(NCURSES) -lpthread -lm

install: install-products
uninstall: uninstall-products

# Where bash looks for completions.
completionsdir = /usr/share/bash-completion/completions

.PHONY: install-products uninstall-products
install-products: $(STEPS_LIB) $(CLIENT_PRODUCTS)
	$(MKDIR_P) '$(DESTDIR)$(pkglibdir)' '$(DESTDIR)$(bindir)' \
	  '$(DESTDIR)$(libdir)/pkgconfig' '$(DESTDIR)$(includedir)'
	$(INSTALL_SHLIB) $(STEPS_LIB) '$(DESTDIR)$(pkglibdir)/$(STEPS_LIB)'
	$(INSTALL_PROGRAM) $(CLIENT) '$(DESTDIR)$(bindir)/asyncjob'
	$(INSTALL_SHLIB) $(CLIENT_SO) '$(DESTDIR)$(libdir)/$(notdir $(CLIENT_SO))'
	ln -sf $(notdir $(CLIENT_SO)) '$(DESTDIR)$(libdir)/libasyncjob.so'
	$(INSTALL_STLIB) $(CLIENT_A) '$(DESTDIR)$(libdir)/$(notdir $(CLIENT_A))'
	$(INSTALL_DATA) src/client/asyncjob_client.h '$(DESTDIR)$(includedir)/asyncjob_client.h'
	sed -e 's,@libdir@,$(libdir),' -e 's,@includedir@,$(includedir),' \
	  -e 's,@version@,$(EXTVERSION),' src/client/libasyncjob.pc.in \
	  > '$(DESTDIR)$(libdir)/pkgconfig/libasyncjob.pc'
	$(MKDIR_P) '$(DESTDIR)$(mandir)/man1' '$(DESTDIR)$(mandir)/man3' '$(DESTDIR)$(completionsdir)'
	$(INSTALL_DATA) docs/man/asyncjob.1 '$(DESTDIR)$(mandir)/man1/asyncjob.1'
	$(INSTALL_DATA) docs/man/libasyncjob.3 '$(DESTDIR)$(mandir)/man3/libasyncjob.3'
	$(INSTALL_DATA) src/client/asyncjob.bash '$(DESTDIR)$(completionsdir)/asyncjob'

uninstall-products:
	rm -f '$(DESTDIR)$(pkglibdir)/$(STEPS_LIB)' '$(DESTDIR)$(bindir)/asyncjob' \
	  '$(DESTDIR)$(libdir)/$(notdir $(CLIENT_SO))' '$(DESTDIR)$(libdir)/libasyncjob.so' \
	  '$(DESTDIR)$(libdir)/$(notdir $(CLIENT_A))' \
	  '$(DESTDIR)$(libdir)/pkgconfig/libasyncjob.pc' \
	  '$(DESTDIR)$(includedir)/asyncjob_client.h' \
	  '$(DESTDIR)$(mandir)/man1/asyncjob.1' '$(DESTDIR)$(mandir)/man3/libasyncjob.3' \
	  '$(DESTDIR)$(completionsdir)/asyncjob'

-include $(wildcard src/*/*.d)
endif

include test/tools/targets.mk

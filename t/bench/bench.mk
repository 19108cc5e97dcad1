# bench.mk - what make needs to know of this directory
# SPDX-License-Identifier: Apache-2.0

BENCHES = %D%/scep_bench %D%/message_bench %D%/challenge_bench
EXTRA_PROGRAMS += $(BENCHES)

%C%_scep_bench_SOURCES = \
	%D%/scep_bench.c \
	%D%/enrolment.c %D%/enrolment.h \
	%D%/load.c %D%/load.h \
	%D%/watch.c %D%/watch.h
%C%_scep_bench_CPPFLAGS = $(AM_CPPFLAGS) -D_GNU_SOURCE
%C%_scep_bench_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS) -pthread
%C%_scep_bench_LDADD = $(JANSSON_LIBS) $(OPENSSL_LIBS)

EXTRA_DIST += %D%/run %D%/api %D%/lib.sh %D%/ledger %D%/ledger_rows.py
CLEANFILES += $(BENCHES)

# In turn, for both want the library.  BENCH_FLAGS: options of t/bench/run.
bench: all
	$(MAKE) $(AM_MAKEFLAGS) $(BENCHES) ledger_probe.la
	SCEP_BUILD=$(abs_builddir) $(srcdir)/%D%/run $(BENCH_FLAGS)
.PHONY: bench

%C%_message_bench_SOURCES = %D%/message_bench.c \
	t/unit/support.c t/unit/support.h
%C%_message_bench_LDADD = libscepcore.la

%C%_challenge_bench_SOURCES = %D%/challenge_bench.c
%C%_challenge_bench_LDADD = libscepcore.la

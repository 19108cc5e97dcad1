# files.mk - installing, checking under sanitizers and Valgrind
# SPDX-License-Identifier: Apache-2.0
dist_noinst_SCRIPTS = %D%/setup %D%/make %D%/sandbox %D%/quickstart \
	%D%/check %D%/tally %D%/pytest %D%/check-asan %D%/check-valgrind \
	%D%/valgrind-report
EXTRA_DIST += .ci/run %D%/valgrind.supp t/data

# httpd loads the .so; libtool's .la beside it only confuses.
install-data-hook:
	cd '$(DESTDIR)$(moduledir)' && rm -f $(module_LTLIBRARIES)
uninstall-hook:
	cd '$(DESTDIR)$(moduledir)' && \
	    rm -f $(module_LTLIBRARIES:.la=.so)

# make distcheck installs without root and runs what needs no SCEP client.
AM_DISTCHECK_CONFIGURE_FLAGS = --enable-werror --disable-interop-tests \
	--with-module-dir='$${libdir}/modules' APXS='$(APXS)'

# What every test finds in its environment.
TEST_EXTENSIONS = .sh .py
AM_TESTS_ENVIRONMENT = \
	SCEP_BUILD='$(abs_builddir)'; export SCEP_BUILD; \
	HTTPD='$(HTTPD)'; export HTTPD; \
	PYTHON='$(PYTHON)'; export PYTHON; \
	no_proxy=127.0.0.1,localhost; export no_proxy; \
	CK_DEFAULT_TIMEOUT=$${CK_DEFAULT_TIMEOUT-60}; \
	export CK_DEFAULT_TIMEOUT;
PY_LOG_COMPILER = $(SHELL) $(srcdir)/%D%/pytest

# The whole of "make check" again, httpd included, with the compiler's
# sanitizers, and with Valgrind.
.PHONY: check-asan check-valgrind
check-asan:
	$(SHELL) $(srcdir)/%D%/check-asan '$(abs_srcdir)' '$(abs_builddir)'
check-valgrind: all
	$(SHELL) $(srcdir)/%D%/check-valgrind '$(abs_srcdir)' \
	    '$(abs_builddir)'

clean-local:
	rm -rf _asan _valgrind
	find . -name '*.junit.xml' -exec rm -f {} +

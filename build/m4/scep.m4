# scep.m4 - finding what mod_scep is built with
# SPDX-License-Identifier: Apache-2.0

# SCEP_MISSING(WHAT, DEBIAN-PACKAGE): remember it, so that one run of
# configure names everything that is missing.
AC_DEFUN([SCEP_MISSING],
[scep_missing="$scep_missing
  $1  (Debian: apt-get install $2)"])

# SCEP_CHECK_LIBRARY(VARIABLE, PKG-CONFIG MODULES, DEBIAN-PACKAGE)
AC_DEFUN([SCEP_CHECK_LIBRARY],
[PKG_CHECK_MODULES([$1], [$2], [], [SCEP_MISSING([$2], [$3])])])

# SCEP_CHECK_PROGRAM(VARIABLE, PROGRAM, DEBIAN-PACKAGE, [PATH])
AC_DEFUN([SCEP_CHECK_PROGRAM],
[AC_PATH_PROG([$1], [$2], [], [$4])
AS_IF([test -z "$$1"], [SCEP_MISSING([$2], [$3])])])

# SCEP_CHECK_APXS: httpd's headers and directories, asked of apxs.
AC_DEFUN([SCEP_CHECK_APXS],
[AC_ARG_WITH([apxs],
  [AS_HELP_STRING([--with-apxs=PATH], [the apxs of the httpd to build for])],
  [APXS=$withval],
  [AC_PATH_PROGS([APXS], [apxs apxs2], [], [$PATH:/usr/sbin:/usr/bin])])
AC_ARG_WITH([module-dir],
  [AS_HELP_STRING([--with-module-dir=DIR],
    [where the modules go @<:@apxs -q LIBEXECDIR@:>@])],
  [moduledir=$withval], [moduledir=])
HTTPD_CPPFLAGS= HTTPD= HTTPD_MODULES=
AS_IF([test -x "$APXS"],
  [AC_MSG_CHECKING([for httpd by $APXS])
   HTTPD_CPPFLAGS="-I`$APXS -q INCLUDEDIR` `$APXS -q EXTRA_CPPFLAGS`"
   HTTPD="`$APXS -q SBINDIR`/`$APXS -q PROGNAME`"
   HTTPD_MODULES=`$APXS -q LIBEXECDIR`
   AS_IF([test -z "$moduledir"], [moduledir=$HTTPD_MODULES])
   AC_MSG_RESULT([$HTTPD])],
  [SCEP_MISSING([apxs], [apache2-dev])])
AC_SUBST([HTTPD_CPPFLAGS])
AC_SUBST([HTTPD])
AC_SUBST([HTTPD_MODULES])
AC_SUBST([moduledir])])

# SCEP_CHECK_HTTPD_HEADERS: whether they are there and of httpd 2.4.
AC_DEFUN([SCEP_CHECK_HTTPD_HEADERS],
[AS_IF([test -n "$HTTPD_CPPFLAGS" && test -n "$APR_CFLAGS"],
  [AC_MSG_CHECKING([for the headers of httpd 2.4])
   scep_save_CPPFLAGS=$CPPFLAGS
   CPPFLAGS="$CPPFLAGS $HTTPD_CPPFLAGS $APR_CFLAGS"
   AC_COMPILE_IFELSE([AC_LANG_PROGRAM([[
#include <httpd.h>
#include <ap_mmn.h>
#if !AP_MODULE_MAGIC_AT_LEAST(20120211, 0)
#error "too old"
#endif
     ]])],
     [AC_MSG_RESULT([yes])],
     [AC_MSG_RESULT([no])
      SCEP_MISSING([httpd.h of httpd 2.4], [apache2-dev])])
   CPPFLAGS=$scep_save_CPPFLAGS])])

# SCEP_REPORT_MISSING: stop with the whole list.
AC_DEFUN([SCEP_REPORT_MISSING],
[AS_IF([test -n "$scep_missing"],
  [AC_MSG_ERROR([these are needed and missing:$scep_missing
or run build/setup, which installs them all])])])

# SCEP_COMPILER_WARNINGS: the project's warnings; --enable-werror in CI.
AC_DEFUN([SCEP_COMPILER_WARNINGS],
[AC_ARG_ENABLE([werror],
  [AS_HELP_STRING([--enable-werror], [treat warnings as errors])])
WARN_CFLAGS="-std=gnu11 -Wall -Wextra -Wstrict-prototypes -Wmissing-prototypes"
WARN_CFLAGS="$WARN_CFLAGS -Wshadow -Wformat=2 -Wvla"
AS_IF([test "x$enable_werror" = xyes], [WARN_CFLAGS="$WARN_CFLAGS -Werror"])
AC_SUBST([WARN_CFLAGS])])

# SCEP_HTTPD_TESTS: "make check" runs httpd and SCEP clients unless told not
# to, as where a package is built without network.
AC_DEFUN([SCEP_HTTPD_TESTS],
[AC_ARG_ENABLE([httpd-tests],
  [AS_HELP_STRING([--disable-httpd-tests],
    [make check without the tests that start httpd])])
AC_ARG_ENABLE([interop-tests],
  [AS_HELP_STRING([--disable-interop-tests],
    [make check without the tests that need SCEP clients])])
AM_CONDITIONAL([HTTPD_TESTS], [test "x$enable_httpd_tests" != xno])
AM_CONDITIONAL([INTEROP_TESTS],
  [test "x$enable_httpd_tests" != xno && test "x$enable_interop_tests" != xno])
])

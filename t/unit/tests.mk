# tests.mk - what make needs to know of this directory
# SPDX-License-Identifier: Apache-2.0

check_PROGRAMS += %D%/check_ca_openssl
TESTS += %D%/check_ca_openssl
%C%_check_ca_openssl_SOURCES = %D%/check_ca_openssl.c
%C%_check_ca_openssl_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
%C%_check_ca_openssl_LDADD = libscepissue.la $(CHECK_LIBS) \
	$(OPENSSL_LIBS) $(APR_LIBS)

# sources.mk - the CA connectors
# SPDX-License-Identifier: Apache-2.0

# The part without httpd, which its unit test links too.
noinst_LTLIBRARIES += libscepissue.la
libscepissue_la_SOURCES = \
	%D%/openssl/issue.c %D%/openssl/issue.h \
	%D%/openssl/issuer.c %D%/openssl/issuer.h
libscepissue_la_LIBADD = $(OPENSSL_LIBS) $(APR_LIBS)

# HTTP for all that ask another service: connectors, verifiers, scepctl.
noinst_LTLIBRARIES += libscephttp.la
libscephttp_la_SOURCES = \
	%D%/http/http_call.c \
	%D%/http/http_client.c %D%/http/http_client.h \
	%D%/http/http_private.h
libscephttp_la_CFLAGS = $(AM_CFLAGS) $(CURL_CFLAGS)
libscephttp_la_LIBADD = $(CURL_LIBS) $(OPENSSL_LIBS) $(APR_LIBS)

module_LTLIBRARIES += mod_scep_ca_openssl.la
mod_scep_ca_openssl_la_SOURCES = %D%/openssl/mod_scep_ca_openssl.c
mod_scep_ca_openssl_la_CPPFLAGS = $(AM_CPPFLAGS) $(HTTPD_CPPFLAGS)
mod_scep_ca_openssl_la_LDFLAGS = -module -avoid-version -shared \
	-export-symbols-regex '^scep_ca_openssl_module$$'
mod_scep_ca_openssl_la_LIBADD = libscepissue.la $(OPENSSL_LIBS)

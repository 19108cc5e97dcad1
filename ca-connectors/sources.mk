# sources.mk - the CA connectors
# SPDX-License-Identifier: Apache-2.0

# Files below ScepStateDir that the children write.
noinst_LTLIBRARIES += libscepstate.la
libscepstate_la_SOURCES = %D%/state/state_dir.c %D%/state/state_dir.h
libscepstate_la_LIBADD = $(APR_LIBS)

# The part without httpd, which its unit test links too.
noinst_LTLIBRARIES += libscepissue.la
libscepissue_la_SOURCES = \
	%D%/openssl/issue.c %D%/openssl/issue.h \
	%D%/openssl/issuer.c %D%/openssl/issuer.h \
	%D%/openssl/revoked.c %D%/openssl/revoked.h
libscepissue_la_LIBADD = libscepstate.la $(OPENSSL_LIBS) $(APR_LIBS)

# HTTP for all that ask another service: connectors, verifiers, scepctl.
noinst_LTLIBRARIES += libscephttp.la
libscephttp_la_SOURCES = \
	%D%/http/http_binding.c %D%/http/http_binding.h \
	%D%/http/http_call.c \
	%D%/http/http_client.c %D%/http/http_client.h \
	%D%/http/http_files.c \
	%D%/http/http_gss.c %D%/http/http_gss.h \
	%D%/http/http_key.c %D%/http/http_key.h \
	%D%/http/http_keytab.c %D%/http/http_keytab.h \
	%D%/http/http_private.h \
	%D%/http/http_proof.c %D%/http/http_proof.h
libscephttp_la_CFLAGS = $(AM_CFLAGS) $(CURL_CFLAGS) $(GSSAPI_CFLAGS)
libscephttp_la_LIBADD = $(CURL_LIBS) $(GSSAPI_LIBS) $(OPENSSL_LIBS) \
	$(APR_LIBS)

module_LTLIBRARIES += mod_scep_ca_openssl.la
mod_scep_ca_openssl_la_SOURCES = %D%/openssl/mod_scep_ca_openssl.c
mod_scep_ca_openssl_la_CPPFLAGS = $(AM_CPPFLAGS) $(HTTPD_CPPFLAGS)
mod_scep_ca_openssl_la_LDFLAGS = -module -avoid-version -shared \
	-export-symbols-regex '^scep_ca_openssl_module$$'
mod_scep_ca_openssl_la_LIBADD = libscepissue.la $(OPENSSL_LIBS)

# The protocol without httpd, which its unit tests link too.
noinst_LTLIBRARIES += libscepejbca.la
libscepejbca_la_SOURCES = \
	%D%/ejbca/ejbca_decode.c %D%/ejbca/ejbca_decode.h \
	%D%/ejbca/ejbca_proto.c %D%/ejbca/ejbca_proto.h \
	%D%/ejbca/ejbca_turns.c %D%/ejbca/ejbca_turns.h \
	%D%/ejbca/ejbca_username.c %D%/ejbca/ejbca_username.h
libscepejbca_la_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
libscepejbca_la_LIBADD = $(JANSSON_LIBS) $(OPENSSL_LIBS) $(APR_LIBS)

module_LTLIBRARIES += mod_scep_ca_ejbca.la
mod_scep_ca_ejbca_la_SOURCES = %D%/ejbca/ejbca.h \
	%D%/ejbca/ejbca_ask.c %D%/ejbca/ejbca_call.c \
	%D%/ejbca/ejbca_conf.c \
	%D%/ejbca/ejbca_submit.c %D%/ejbca/mod_scep_ca_ejbca.c
mod_scep_ca_ejbca_la_CPPFLAGS = $(AM_CPPFLAGS) $(HTTPD_CPPFLAGS)
mod_scep_ca_ejbca_la_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
mod_scep_ca_ejbca_la_LDFLAGS = -module -avoid-version -shared \
	-export-symbols-regex '^scep_ca_ejbca_module$$'
mod_scep_ca_ejbca_la_LIBADD = libscepejbca.la libscephttp.la $(JANSSON_LIBS) \
	$(OPENSSL_LIBS)

# The protocols without httpd, which their unit tests link too.
noinst_LTLIBRARIES += libscepadcs.la
libscepadcs_la_SOURCES = \
	%D%/adcs/adcs_cms.c %D%/adcs/adcs_cms.h \
	%D%/adcs/adcs_decode.c %D%/adcs/adcs_decode.h \
	%D%/adcs/adcs_names.c %D%/adcs/adcs_names.h \
	%D%/adcs/certsrv_page.c %D%/adcs/certsrv_page.h \
	%D%/adcs/certsrv_proto.c %D%/adcs/certsrv_proto.h \
	%D%/adcs/ces_proto.c %D%/adcs/ces_proto.h \
	%D%/adcs/ces_xml.c %D%/adcs/ces_xml.h \
	%D%/adcs/hresult.c %D%/adcs/hresult.h
libscepadcs_la_CFLAGS = $(AM_CFLAGS) $(XML_CFLAGS)
libscepadcs_la_LIBADD = $(XML_LIBS) $(OPENSSL_LIBS) $(APR_LIBS)

module_LTLIBRARIES += mod_scep_ca_adcs.la
mod_scep_ca_adcs_la_SOURCES = %D%/adcs/adcs.h %D%/adcs/adcs_conf.c \
	%D%/adcs/certsrv.c %D%/adcs/ces.c %D%/adcs/mod_scep_ca_adcs.c
mod_scep_ca_adcs_la_CPPFLAGS = $(AM_CPPFLAGS) $(HTTPD_CPPFLAGS)
mod_scep_ca_adcs_la_LDFLAGS = -module -avoid-version -shared \
	-export-symbols-regex '^scep_ca_adcs_module$$'
mod_scep_ca_adcs_la_LIBADD = libscepadcs.la libscephttp.la $(OPENSSL_LIBS)

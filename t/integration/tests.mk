# tests.mk - tests against a real httpd
# SPDX-License-Identifier: Apache-2.0
integration_tests = \
	%D%/test_access.py \
	%D%/test_adcs.py \
	%D%/test_adcs_calls.py \
	%D%/test_adcs_config.py \
	%D%/test_admin.py \
	%D%/test_admin_access.py \
	%D%/test_admin_list.py \
	%D%/test_approval.py \
	%D%/test_audit.py \
	%D%/test_audit_verify.py \
	%D%/test_bad_input.py \
	%D%/test_callers.py \
	%D%/test_challenge.py \
	%D%/test_challenge_dbd.py \
	%D%/test_challenge_hold.py \
	%D%/test_challenge_store.py \
	%D%/test_challenge_uses.py \
	%D%/test_child_end.py \
	%D%/test_cluster.py \
	%D%/test_config.py \
	%D%/test_crash.py \
	%D%/test_ejbca.py \
	%D%/test_ejbca_calls.py \
	%D%/test_ejbca_config.py \
	%D%/test_enrol.py \
	%D%/test_environment.py \
	%D%/test_explain.py \
	%D%/test_health.py \
	%D%/test_http.py \
	%D%/test_intune.py \
	%D%/test_inventory.py \
	%D%/test_jamf.py \
	%D%/test_kerberos_client.py \
	%D%/test_ledger.py \
	%D%/test_ledger_outages.py \
	%D%/test_local_ca.py \
	%D%/test_lockout.py \
	%D%/test_metrics.py \
	%D%/test_ndes.py \
	%D%/test_ndes_auth.py \
	%D%/test_no_ledger.py \
	%D%/test_nodes.py \
	%D%/test_pass_phrase.py \
	%D%/test_policy.py \
	%D%/test_publish.py \
	%D%/test_queue.py \
	%D%/test_refusals.py \
	%D%/test_renewal.py \
	%D%/test_renewal_ledger.py \
	%D%/test_revocation.py \
	%D%/test_rollover.py \
	%D%/test_sandbox.py \
	%D%/test_scepctl.py \
	%D%/test_static.py \
	%D%/test_told.py \
	%D%/test_webhook.py \
	%D%/test_webhook_config.py
EXTRA_DIST += $(integration_tests) \
	t/emulators/adcs.py t/emulators/adcs_ca.py \
	t/emulators/adcs_certsrv.py t/emulators/adcs_ces.py \
	t/emulators/adcs_epa.py \
	t/emulators/ca_server.py t/emulators/ejbca.py \
	t/emulators/ejbca_ca.py t/emulators/epa.py t/emulators/intune.py \
	t/emulators/pkcs10.py \
	t/emulators/webhook.py \
	%D%/adminapi.py %D%/certrep.py %D%/configuration.py \
	%D%/conftest.py %D%/der.py %D%/fleet.py \
	%D%/gateway.py %D%/gsstoken.py %D%/kerberos.py %D%/ledgers.py \
	%D%/ndesclients.py \
	%D%/other_ca.py \
	%D%/outages.py %D%/pgproxy.py %D%/pki.py \
	%D%/pkimessage.py %D%/postgres.py %D%/profiles.py \
	%D%/renewals.py %D%/scepclient.py %D%/scepctl.py %D%/softhsm.py \
	%D%/stores.py %D%/trails.py
if HTTPD_TESTS
TESTS += $(integration_tests)
endif

# What speaks for the HTTP client where a test needs a process of its own.
check_PROGRAMS += %D%/http_probe
%C%_http_probe_SOURCES = %D%/http_probe.c
%C%_http_probe_LDADD = libscephttp.la

# What calls of the connector to EJBCA no device can cause yet.
check_PROGRAMS += %D%/ejbca_probe
%C%_ejbca_probe_SOURCES = %D%/ejbca_probe.c \
	ca-connectors/ejbca/ejbca_ask.c ca-connectors/ejbca/ejbca_call.c \
	ca-connectors/ejbca/ejbca_submit.c
%C%_ejbca_probe_CPPFLAGS = $(AM_CPPFLAGS) $(HTTPD_CPPFLAGS)
%C%_ejbca_probe_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
%C%_ejbca_probe_LDADD = libscepejbca.la libscephttp.la $(JANSSON_LIBS)

# The same of the connector to ADCS.
check_PROGRAMS += %D%/adcs_probe
%C%_adcs_probe_SOURCES = %D%/adcs_probe.c \
	ca-connectors/adcs/certsrv.c ca-connectors/adcs/ces.c
%C%_adcs_probe_CPPFLAGS = $(AM_CPPFLAGS) $(HTTPD_CPPFLAGS)
%C%_adcs_probe_LDADD = libscepadcs.la libscephttp.la $(OPENSSL_LIBS)

# What does with the ledger what no device can yet, in processes of httpd.
check_LTLIBRARIES += ledger_probe.la
ledger_probe_la_SOURCES = %D%/ledger_probe.c \
	%D%/ledger_load.c %D%/ledger_load.h \
	mod_scep/httpd/child.c \
	mod_scep/httpd/database.c mod_scep/httpd/database_guard.c \
	mod_scep/httpd/database_queue.c mod_scep/httpd/database_session.c \
	mod_scep/httpd/ledger_certificates.c \
	mod_scep/httpd/ledger_enrolments.c mod_scep/httpd/ledger_events.c \
	mod_scep/httpd/ledger_list.c mod_scep/httpd/ledger_open.c \
	mod_scep/httpd/ledger_row.c mod_scep/httpd/ledger_sql.c \
	mod_scep/httpd/ledger_upkeep.c mod_scep/httpd/sql_text.c
ledger_probe_la_CPPFLAGS = $(mod_scep_la_CPPFLAGS)
ledger_probe_la_CFLAGS = $(mod_scep_la_CFLAGS)
ledger_probe_la_LDFLAGS = -module -avoid-version -shared \
	-rpath $(abs_builddir) -export-symbols-regex '^scep_module$$'
ledger_probe_la_LIBADD = libscepcore.la $(JANSSON_LIBS) $(OPENSSL_LIBS)

# What looks on how children of httpd end.
check_LTLIBRARIES += child_probe.la
child_probe_la_SOURCES = %D%/child_probe.c
child_probe_la_CPPFLAGS = $(AM_CPPFLAGS) $(HTTPD_CPPFLAGS)
child_probe_la_LDFLAGS = -module -avoid-version -shared \
	-rpath $(abs_builddir) -export-symbols-regex '^child_probe_module$$'
child_probe_la_LIBADD = $(OPENSSL_LIBS)

# tests.mk - what make needs to know of this directory
# SPDX-License-Identifier: Apache-2.0

check_LTLIBRARIES += libunit.la
libunit_la_SOURCES = %D%/run.c %D%/run.h %D%/support.c %D%/support.h
libunit_la_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
libunit_la_LIBADD = $(CHECK_LIBS) $(OPENSSL_LIBS) $(APR_LIBS)

check_PROGRAMS += %D%/check_ca_openssl
TESTS += %D%/check_ca_openssl
%C%_check_ca_openssl_SOURCES = %D%/check_ca_openssl.c
%C%_check_ca_openssl_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
%C%_check_ca_openssl_LDADD = libscepissue.la libunit.la

check_PROGRAMS += %D%/check_revoked
TESTS += %D%/check_revoked
%C%_check_revoked_SOURCES = %D%/check_revoked.c
%C%_check_revoked_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
%C%_check_revoked_LDADD = libscepissue.la libunit.la

check_PROGRAMS += %D%/check_http_client
TESTS += %D%/check_http_client
%C%_check_http_client_SOURCES = %D%/check_http_client.c \
	%D%/http_server.c %D%/http_server.h
%C%_check_http_client_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
%C%_check_http_client_LDADD = libscephttp.la libunit.la

check_PROGRAMS += %D%/check_ejbca
TESTS += %D%/check_ejbca
%C%_check_ejbca_SOURCES = %D%/check_ejbca.c
%C%_check_ejbca_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS) $(JANSSON_CFLAGS)
%C%_check_ejbca_LDADD = libunit.la libscepejbca.la $(JANSSON_LIBS)

check_PROGRAMS += %D%/check_adcs %D%/check_adcs_names
TESTS += %D%/check_adcs %D%/check_adcs_names
%C%_check_adcs_SOURCES = %D%/check_adcs.c
%C%_check_adcs_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS) $(XML_CFLAGS)
%C%_check_adcs_LDADD = libunit.la libscepadcs.la $(XML_LIBS)
%C%_check_adcs_names_SOURCES = %D%/check_adcs_names.c
%C%_check_adcs_names_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
%C%_check_adcs_names_LDADD = libunit.la libscepadcs.la

# certsrv.c over a connection of the test's own, without httpd.
check_PROGRAMS += %D%/check_certsrv
TESTS += %D%/check_certsrv
%C%_check_certsrv_SOURCES = %D%/check_certsrv.c \
	ca-connectors/adcs/certsrv.c
%C%_check_certsrv_CPPFLAGS = $(AM_CPPFLAGS) $(HTTPD_CPPFLAGS)
%C%_check_certsrv_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
%C%_check_certsrv_LDADD = libunit.la libscepadcs.la

check_PROGRAMS += %D%/check_http_gss
TESTS += %D%/check_http_gss
%C%_check_http_gss_SOURCES = %D%/check_http_gss.c
%C%_check_http_gss_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS) $(CURL_CFLAGS) \
	$(GSSAPI_CFLAGS)
%C%_check_http_gss_LDADD = libscephttp.la libunit.la

check_PROGRAMS += %D%/check_enrol
TESTS += %D%/check_enrol
%C%_check_enrol_SOURCES = %D%/check_enrol.c
%C%_check_enrol_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
%C%_check_enrol_LDADD = libunit.la libscepcore.la

check_PROGRAMS += %D%/check_breaker
TESTS += %D%/check_breaker
%C%_check_breaker_SOURCES = %D%/check_breaker.c
%C%_check_breaker_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
%C%_check_breaker_LDADD = libunit.la libscepcore.la

check_PROGRAMS += %D%/check_record
TESTS += %D%/check_record
%C%_check_record_SOURCES = %D%/check_record.c
%C%_check_record_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
%C%_check_record_LDADD = libunit.la libscepcore.la

check_PROGRAMS += %D%/check_work
TESTS += %D%/check_work
%C%_check_work_SOURCES = %D%/check_work.c
%C%_check_work_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
%C%_check_work_LDADD = libunit.la libscepcore.la

check_PROGRAMS += %D%/check_query
TESTS += %D%/check_query
%C%_check_query_SOURCES = %D%/check_query.c
%C%_check_query_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
%C%_check_query_LDADD = libunit.la libscepcore.la

check_PROGRAMS += %D%/check_name
TESTS += %D%/check_name
%C%_check_name_SOURCES = %D%/check_name.c
%C%_check_name_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
%C%_check_name_LDADD = libunit.la libscepcore.la

check_PROGRAMS += %D%/check_cert_id
TESTS += %D%/check_cert_id
%C%_check_cert_id_SOURCES = %D%/check_cert_id.c
%C%_check_cert_id_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
%C%_check_cert_id_LDADD = libunit.la libscepcore.la

check_PROGRAMS += %D%/check_next_ca
TESTS += %D%/check_next_ca
%C%_check_next_ca_SOURCES = %D%/check_next_ca.c
%C%_check_next_ca_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
%C%_check_next_ca_LDADD = libunit.la libscepcore.la

check_PROGRAMS += %D%/check_name_match
TESTS += %D%/check_name_match
%C%_check_name_match_SOURCES = %D%/check_name_match.c
%C%_check_name_match_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
%C%_check_name_match_LDADD = libunit.la libscepcore.la

check_PROGRAMS += %D%/check_csr
TESTS += %D%/check_csr
%C%_check_csr_SOURCES = %D%/check_csr.c
%C%_check_csr_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
%C%_check_csr_LDADD = libunit.la libscepcore.la

check_PROGRAMS += %D%/check_network
TESTS += %D%/check_network
%C%_check_network_SOURCES = %D%/check_network.c
%C%_check_network_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
%C%_check_network_LDADD = libunit.la libscepcore.la

check_PROGRAMS += %D%/check_policy
TESTS += %D%/check_policy
%C%_check_policy_SOURCES = %D%/check_policy.c
%C%_check_policy_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
%C%_check_policy_LDADD = libunit.la libscepcore.la

check_PROGRAMS += %D%/check_policy_rules
TESTS += %D%/check_policy_rules
%C%_check_policy_rules_SOURCES = %D%/check_policy_rules.c
%C%_check_policy_rules_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
%C%_check_policy_rules_LDADD = libunit.la libscepcore.la

check_PROGRAMS += %D%/check_san_match %D%/check_weak_key
TESTS += %D%/check_san_match %D%/check_weak_key
%C%_check_san_match_SOURCES = %D%/check_san_match.c
%C%_check_san_match_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
%C%_check_san_match_LDADD = libunit.la libscepcore.la

%C%_check_weak_key_SOURCES = %D%/check_weak_key.c
%C%_check_weak_key_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
%C%_check_weak_key_LDADD = libunit.la libscepcore.la

check_PROGRAMS += %D%/check_cert
TESTS += %D%/check_cert
%C%_check_cert_SOURCES = %D%/check_cert.c
%C%_check_cert_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
%C%_check_cert_LDADD = libunit.la libscepcore.la

check_PROGRAMS += %D%/check_renewal
TESTS += %D%/check_renewal
%C%_check_renewal_SOURCES = %D%/check_renewal.c
%C%_check_renewal_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
%C%_check_renewal_LDADD = libunit.la libscepcore.la

check_PROGRAMS += %D%/check_revocation
TESTS += %D%/check_revocation
%C%_check_revocation_SOURCES = %D%/check_revocation.c
%C%_check_revocation_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
%C%_check_revocation_LDADD = libunit.la libscepcore.la

check_PROGRAMS += %D%/check_result %D%/check_alg %D%/check_message
TESTS += %D%/check_result %D%/check_alg %D%/check_message
%C%_check_result_SOURCES = %D%/check_result.c
%C%_check_result_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
%C%_check_result_LDADD = libunit.la libscepcore.la
%C%_check_alg_SOURCES = %D%/check_alg.c
%C%_check_alg_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
%C%_check_alg_LDADD = libunit.la libscepcore.la
%C%_check_message_SOURCES = %D%/check_message.c
%C%_check_message_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
%C%_check_message_LDADD = libunit.la libscepcore.la
EXTRA_DIST += t/data

check_PROGRAMS += %D%/check_challenge_table %D%/check_challenge_uses \
	%D%/check_challenge_extend %D%/check_challenge_hold \
	%D%/check_challenge_list %D%/check_challenge_quota \
	%D%/check_challenge_file
TESTS += %D%/check_challenge_table %D%/check_challenge_uses \
	%D%/check_challenge_extend %D%/check_challenge_hold \
	%D%/check_challenge_list %D%/check_challenge_quota \
	%D%/check_challenge_file
CHALLENGE_FIXTURE = %D%/challenge_fixture.c %D%/challenge_fixture.h
%C%_check_challenge_table_SOURCES = %D%/check_challenge_table.c \
	$(CHALLENGE_FIXTURE)
%C%_check_challenge_table_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
%C%_check_challenge_table_LDADD = libunit.la libscepcore.la
%C%_check_challenge_uses_SOURCES = %D%/check_challenge_uses.c \
	$(CHALLENGE_FIXTURE)
%C%_check_challenge_uses_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
%C%_check_challenge_uses_LDADD = libunit.la libscepcore.la
%C%_check_challenge_extend_SOURCES = %D%/check_challenge_extend.c \
	$(CHALLENGE_FIXTURE)
%C%_check_challenge_extend_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
%C%_check_challenge_extend_LDADD = libunit.la libscepcore.la
%C%_check_challenge_hold_SOURCES = %D%/check_challenge_hold.c \
	$(CHALLENGE_FIXTURE)
%C%_check_challenge_hold_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
%C%_check_challenge_hold_LDADD = libunit.la libscepcore.la
%C%_check_challenge_list_SOURCES = %D%/check_challenge_list.c \
	$(CHALLENGE_FIXTURE)
%C%_check_challenge_list_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
%C%_check_challenge_list_LDADD = libunit.la libscepcore.la
%C%_check_challenge_quota_SOURCES = %D%/check_challenge_quota.c \
	$(CHALLENGE_FIXTURE)
%C%_check_challenge_quota_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
%C%_check_challenge_quota_LDADD = libunit.la libscepcore.la
%C%_check_challenge_file_SOURCES = %D%/check_challenge_file.c \
	$(CHALLENGE_FIXTURE)
%C%_check_challenge_file_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
%C%_check_challenge_file_LDADD = libunit.la libscepcore.la

check_PROGRAMS += %D%/check_challenge_race
TESTS += %D%/check_challenge_race
%C%_check_challenge_race_SOURCES = %D%/check_challenge_race.c
%C%_check_challenge_race_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
%C%_check_challenge_race_LDADD = libunit.la libscepcore.la

check_PROGRAMS += %D%/check_explain %D%/check_metric_text
TESTS += %D%/check_explain %D%/check_metric_text
%C%_check_explain_SOURCES = %D%/check_explain.c
%C%_check_explain_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
%C%_check_explain_LDADD = libunit.la libscepcore.la
%C%_check_metric_text_SOURCES = %D%/check_metric_text.c
%C%_check_metric_text_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
%C%_check_metric_text_LDADD = libunit.la libscepcore.la

check_PROGRAMS += %D%/check_counter_table
TESTS += %D%/check_counter_table
%C%_check_counter_table_SOURCES = %D%/check_counter_table.c
%C%_check_counter_table_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
%C%_check_counter_table_LDADD = libunit.la libscepcore.la

check_PROGRAMS += %D%/check_der
TESTS += %D%/check_der
%C%_check_der_SOURCES = %D%/check_der.c
%C%_check_der_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
%C%_check_der_LDADD = libunit.la libscepcore.la

check_PROGRAMS += %D%/challenge_step %D%/challenge_kill
TESTS += %D%/challenge_step %D%/challenge_kill
%C%_challenge_step_SOURCES = %D%/challenge_step.c \
	%D%/challenge_support.c %D%/challenge_support.h
%C%_challenge_step_LDADD = libscepcore.la
%C%_challenge_kill_SOURCES = %D%/challenge_kill.c \
	%D%/challenge_support.c %D%/challenge_support.h
%C%_challenge_kill_LDADD = libscepcore.la

check_PROGRAMS += %D%/check_static_secret
TESTS += %D%/check_static_secret
%C%_check_static_secret_SOURCES = %D%/check_static_secret.c
%C%_check_static_secret_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
%C%_check_static_secret_LDADD = libunit.la libscepcore.la

check_PROGRAMS += %D%/check_gate %D%/check_intune_proto
TESTS += %D%/check_gate %D%/check_intune_proto
%C%_check_gate_SOURCES = %D%/check_gate.c
%C%_check_gate_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
%C%_check_gate_LDADD = libunit.la libscepcore.la
%C%_check_intune_proto_SOURCES = %D%/check_intune_proto.c \
	mod_scep/httpd/intune_proto.c
%C%_check_intune_proto_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS) \
	$(JANSSON_CFLAGS)
%C%_check_intune_proto_LDADD = libunit.la $(JANSSON_LIBS)

check_PROGRAMS += %D%/check_webhook_proto
TESTS += %D%/check_webhook_proto
%C%_check_webhook_proto_SOURCES = %D%/check_webhook_proto.c \
	mod_scep/httpd/webhook_names.c mod_scep/httpd/webhook_proto.c
%C%_check_webhook_proto_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS) \
	$(JANSSON_CFLAGS)
%C%_check_webhook_proto_LDADD = libunit.la libscepcore.la $(JANSSON_LIBS)

check_PROGRAMS += %D%/check_jamf_proto
TESTS += %D%/check_jamf_proto
%C%_check_jamf_proto_SOURCES = %D%/check_jamf_proto.c \
	mod_scep/httpd/jamf_proto.c
%C%_check_jamf_proto_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS) \
	$(JANSSON_CFLAGS)
%C%_check_jamf_proto_LDADD = libunit.la $(JANSSON_LIBS)

check_PROGRAMS += %D%/check_challenge_sql
TESTS += %D%/check_challenge_sql
%C%_check_challenge_sql_SOURCES = %D%/check_challenge_sql.c \
	mod_scep/httpd/challenge_row.c mod_scep/httpd/challenge_sql.c \
	mod_scep/httpd/sql_text.c
%C%_check_challenge_sql_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
%C%_check_challenge_sql_LDADD = libunit.la libscepcore.la

check_PROGRAMS += %D%/check_event %D%/check_seal %D%/check_seal_walk
TESTS += %D%/check_event %D%/check_seal %D%/check_seal_walk
%C%_check_event_SOURCES = %D%/check_event.c
%C%_check_event_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
%C%_check_event_LDADD = libunit.la libscepcore.la
%C%_check_seal_SOURCES = %D%/check_seal.c %D%/seal_fixture.c %D%/seal_fixture.h
%C%_check_seal_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
%C%_check_seal_LDADD = libunit.la libscepcore.la
%C%_check_seal_walk_SOURCES = %D%/check_seal_walk.c \
	%D%/seal_fixture.c %D%/seal_fixture.h
%C%_check_seal_walk_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
%C%_check_seal_walk_LDADD = libunit.la libscepcore.la

check_PROGRAMS += %D%/check_event_json
TESTS += %D%/check_event_json
%C%_check_event_json_SOURCES = %D%/check_event_json.c \
	mod_scep/httpd/event_json.c
%C%_check_event_json_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS) $(JANSSON_CFLAGS)
%C%_check_event_json_LDADD = libunit.la libscepcore.la $(JANSSON_LIBS)

# sources.mk - the core library and the module
# SPDX-License-Identifier: Apache-2.0
noinst_LTLIBRARIES += libscepcore.la
libscepcore_la_SOURCES = \
	%D%/mod_scep.h \
	%D%/core/alg.c %D%/core/alg.h %D%/core/alg_key.c \
	%D%/core/breaker.c %D%/core/breaker.h \
	%D%/core/cert.c %D%/core/cert.h %D%/core/cert_publish.c \
	%D%/core/cert_id.c %D%/core/cert_id.h \
	%D%/core/challenge_claim.c \
	%D%/core/challenge_manage.c \
	%D%/core/challenge_quota.c \
	%D%/core/challenge_digest.c %D%/core/challenge_digest.h \
	%D%/core/challenge_record.c %D%/core/challenge_record.h \
	%D%/core/challenge_sweep.c \
	%D%/core/challenge_table.c %D%/core/challenge_table.h \
	%D%/core/claim_text.c %D%/core/claim_text.h \
	%D%/core/counter_table.c %D%/core/counter_table.h \
	%D%/core/csr.c %D%/core/csr.h \
	%D%/core/der.c %D%/core/der.h \
	%D%/core/device.c %D%/core/device.h \
	%D%/core/enrol.c %D%/core/enrol.h \
	%D%/core/enrol_ledger.c %D%/core/enrol_private.h \
	%D%/core/event.c %D%/core/event.h \
	%D%/core/gate.c %D%/core/gate.h \
	%D%/core/explain.c %D%/core/explain.h \
	%D%/core/glob.c %D%/core/glob.h \
	%D%/core/message.h %D%/core/message_private.h \
	%D%/core/message_build.c %D%/core/message_decrypt.c \
	%D%/core/message_envelope.c %D%/core/message_parse.c \
	%D%/core/message_verify.c \
	%D%/core/metric_text.c %D%/core/metric_text.h \
	%D%/core/name.c %D%/core/name.h %D%/core/name_parse.c \
	%D%/core/name_match.c %D%/core/name_match.h \
	%D%/core/network.c %D%/core/network.h \
	%D%/core/next_ca.c %D%/core/next_ca.h \
	%D%/core/ocsp.c %D%/core/ocsp.h \
	%D%/core/oid.c %D%/core/oid.h \
	%D%/core/policy.c %D%/core/policy.h %D%/core/policy_private.h \
	%D%/core/policy_admit.c %D%/core/policy_extension.c \
	%D%/core/policy_force.c %D%/core/policy_force.h \
	%D%/core/policy_issued.c \
	%D%/core/policy_san.c %D%/core/policy_subject.c \
	%D%/core/query.c %D%/core/query.h \
	%D%/core/record.c %D%/core/record.h \
	%D%/core/renewal.c %D%/core/renewal.h \
	%D%/core/result.c %D%/core/result.h \
	%D%/core/revocation.c %D%/core/revocation.h \
	%D%/core/san_match.c %D%/core/san_match.h \
	%D%/core/seal.c %D%/core/seal.h \
	%D%/core/seal_trust.c %D%/core/seal_trust.h \
	%D%/core/seal_walk.c %D%/core/seal_walk.h \
	%D%/core/static_secret.c %D%/core/static_secret.h \
	%D%/core/time_text.c %D%/core/time_text.h \
	%D%/core/transaction.c %D%/core/transaction.h \
	%D%/core/utf8.c %D%/core/utf8.h \
	%D%/core/weak_key.c %D%/core/weak_key.h \
	%D%/core/work.c %D%/core/work.h \
	%D%/core/work_ask.c %D%/core/work_private.h \
	%D%/core/work_record.c %D%/core/work_record.h
libscepcore_la_LIBADD = $(OPENSSL_LIBS) $(APR_LIBS)

module_LTLIBRARIES += mod_scep.la
mod_scep_la_SOURCES = \
	%D%/httpd/access.c %D%/httpd/access.h \
	%D%/httpd/admin.c %D%/httpd/admin.h \
	%D%/httpd/admin_certificates.c %D%/httpd/admin_challenges.c \
	%D%/httpd/admin_decide.c %D%/httpd/admin_enrolments.c \
	%D%/httpd/admin_events.c %D%/httpd/admin_explain.c \
	%D%/httpd/admin_issue.c %D%/httpd/admin_list.c \
	%D%/httpd/admin_query.c %D%/httpd/admin_query.h \
	%D%/httpd/admin_revoke.c \
	%D%/httpd/approval.c %D%/httpd/approval.h \
	%D%/httpd/audit.c %D%/httpd/audit.h \
	%D%/httpd/callers.c %D%/httpd/callers.h \
	%D%/httpd/challenge_dbd.c %D%/httpd/challenge_dbd.h \
	%D%/httpd/challenge_dbd_open.c \
	%D%/httpd/challenge_directives.c \
	%D%/httpd/challenge_file.c %D%/httpd/challenge_file.h \
	%D%/httpd/challenge_order.c %D%/httpd/challenge_order.h \
	%D%/httpd/challenge_row.c \
	%D%/httpd/challenge_shm.c \
	%D%/httpd/challenge_sql.c %D%/httpd/challenge_sql.h \
	%D%/httpd/check.c \
	%D%/httpd/child.c %D%/httpd/child.h \
	%D%/httpd/conf.c %D%/httpd/conf.h \
	%D%/httpd/counters.c %D%/httpd/counters.h \
	%D%/httpd/database.c %D%/httpd/database.h \
	%D%/httpd/database_guard.c %D%/httpd/database_guard.h \
	%D%/httpd/database_private.h \
	%D%/httpd/database_queue.c %D%/httpd/database_session.c \
	%D%/httpd/directives.c \
	%D%/httpd/enrolment.c %D%/httpd/enrolment.h \
	%D%/httpd/event_json.c %D%/httpd/event_json.h \
	%D%/httpd/enrolment_ledger.c %D%/httpd/enrolment_ledger.h \
	%D%/httpd/gate.c %D%/httpd/gate.h \
	%D%/httpd/handler.c %D%/httpd/handler.h \
	%D%/httpd/health.c %D%/httpd/health.h \
	%D%/httpd/http.c %D%/httpd/http.h \
	%D%/httpd/intune_directives.c %D%/httpd/intune_directives.h \
	%D%/httpd/intune_proto.c %D%/httpd/intune_proto.h \
	%D%/httpd/intune_service.c %D%/httpd/intune_service.h \
	%D%/httpd/jamf.c %D%/httpd/jamf.h \
	%D%/httpd/jamf_proto.c %D%/httpd/jamf_proto.h \
	%D%/httpd/json.c %D%/httpd/json.h \
	%D%/httpd/keys.c %D%/httpd/keys.h \
	%D%/httpd/loaded.c %D%/httpd/loaded.h \
	%D%/httpd/lockout.c %D%/httpd/lockout.h \
	%D%/httpd/ledger.h \
	%D%/httpd/ledger_certificates.c %D%/httpd/ledger_enrolments.c \
	%D%/httpd/ledger_events.c %D%/httpd/ledger_list.c \
	%D%/httpd/ledger_open.c %D%/httpd/ledger_row.c \
	%D%/httpd/ledger_sql.c %D%/httpd/ledger_sql.h \
	%D%/httpd/ledger_upkeep.c \
	%D%/httpd/log.h \
	%D%/httpd/metrics.c %D%/httpd/metrics.h \
	%D%/httpd/mod_scep.c \
	%D%/httpd/ndes.c %D%/httpd/ndes.h \
	%D%/httpd/next_ca.c %D%/httpd/next_ca.h \
	%D%/httpd/policy_directives.c %D%/httpd/policy_directives.h \
	%D%/httpd/policy_request.c %D%/httpd/policy_request.h \
	%D%/httpd/profile_directives.c %D%/httpd/profile_directives.h \
	%D%/httpd/providers.h \
	%D%/httpd/refusals.c %D%/httpd/refusals.h \
	%D%/httpd/renewal_directives.c \
	%D%/httpd/retention.c %D%/httpd/retention.h \
	%D%/httpd/revocation.c %D%/httpd/revocation.h \
	%D%/httpd/revocation_crl.c %D%/httpd/revocation_crl.h \
	%D%/httpd/revocation_fetch.c \
	%D%/httpd/revocation_job.c %D%/httpd/revocation_job.h \
	%D%/httpd/revocation_ocsp.c \
	%D%/httpd/rollover.c %D%/httpd/rollover.h \
	%D%/httpd/secret.c %D%/httpd/secret.h \
	%D%/httpd/seal_job.c %D%/httpd/seal_job.h \
	%D%/httpd/section.c \
	%D%/httpd/state_file.c %D%/httpd/state_file.h \
	%D%/httpd/sql_text.c %D%/httpd/sql_text.h \
	%D%/httpd/static_match.c %D%/httpd/static_match.h \
	%D%/httpd/spool.c %D%/httpd/spool.h \
	%D%/httpd/verifier_ca.c \
	%D%/httpd/verifier_cert.c %D%/httpd/verifier_cert.h \
	%D%/httpd/verifier_intune.c \
	%D%/httpd/verifier_otp.c \
	%D%/httpd/verifier_webhook.c %D%/httpd/verifier_webhook.h \
	%D%/httpd/verifier_static.c %D%/httpd/verifier_static.h \
	%D%/httpd/watchdog.c %D%/httpd/watchdog.h \
	%D%/httpd/webhook_directives.c \
	%D%/httpd/webhook_names.c %D%/httpd/webhook_names.h \
	%D%/httpd/webhook_proto.c %D%/httpd/webhook_proto.h \
	%D%/httpd/work.c %D%/httpd/work.h %D%/httpd/work_ca.c \
	%D%/httpd/work_directives.c %D%/httpd/work_directives.h
mod_scep_la_CPPFLAGS = $(AM_CPPFLAGS) $(HTTPD_CPPFLAGS) \
	-DSCEP_VERSION=\"$(PACKAGE_VERSION)\"
mod_scep_la_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
mod_scep_la_LDFLAGS = -module -avoid-version -shared \
	-export-symbols-regex '^scep_module$$'
mod_scep_la_LIBADD = libscepcore.la libscephttp.la libscepstate.la \
	$(JANSSON_LIBS) $(OPENSSL_LIBS)

include_HEADERS = %D%/mod_scep.h

bin_PROGRAMS = scepctl
scepctl_SOURCES = \
	%D%/scepctl/audit.c \
	%D%/scepctl/audit_row.c %D%/scepctl/audit_row.h \
	%D%/scepctl/audit_verify.c \
	%D%/scepctl/certificate.c \
	%D%/scepctl/challenge.c \
	%D%/scepctl/connection.c %D%/scepctl/connection.h \
	%D%/scepctl/enrolment.c \
	%D%/scepctl/explain.c \
	%D%/scepctl/listing.c %D%/scepctl/listing.h \
	%D%/scepctl/options.c %D%/scepctl/options.h \
	%D%/scepctl/output.c %D%/scepctl/output.h \
	%D%/scepctl/scepctl.c %D%/scepctl/scepctl.h \
	%D%/scepctl/secret_input.c %D%/scepctl/secret_input.h \
	%D%/scepctl/static.c
scepctl_CPPFLAGS = $(AM_CPPFLAGS) -DSCEP_VERSION=\"$(PACKAGE_VERSION)\"
scepctl_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
scepctl_LDADD = libscephttp.la libscepcore.la $(JANSSON_LIBS) \
	$(OPENSSL_LIBS) $(APR_LIBS)

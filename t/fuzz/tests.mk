# tests.mk - fuzz targets: replayed by "make check", run by "make fuzz"
# SPDX-License-Identifier: Apache-2.0

check_PROGRAMS += %D%/replay_query %D%/replay_csr %D%/replay_message \
	%D%/replay_intune %D%/replay_static %D%/replay_webhook \
	%D%/replay_ejbca %D%/replay_certsrv %D%/replay_ces \
	%D%/replay_seal %D%/replay_cert_id
TESTS += %D%/replay_query %D%/replay_csr %D%/replay_message \
	%D%/replay_intune %D%/replay_static %D%/replay_webhook \
	%D%/replay_ejbca %D%/replay_certsrv %D%/replay_ces \
	%D%/replay_seal %D%/replay_cert_id
%C%_replay_query_SOURCES = %D%/fuzz_query.c %D%/replay.c %D%/fuzz.h
%C%_replay_query_LDADD = libscepcore.la
%C%_replay_cert_id_SOURCES = %D%/fuzz_cert_id.c %D%/replay.c %D%/fuzz.h
%C%_replay_cert_id_LDADD = libscepcore.la
%C%_replay_csr_SOURCES = %D%/fuzz_csr.c %D%/replay.c %D%/fuzz.h
%C%_replay_csr_LDADD = libscepcore.la
%C%_replay_message_SOURCES = %D%/fuzz_message.c %D%/replay.c %D%/fuzz.h \
	t/unit/support.c t/unit/support.h
%C%_replay_message_LDADD = libscepcore.la
%C%_replay_intune_SOURCES = %D%/fuzz_intune.c %D%/replay.c %D%/fuzz.h \
	mod_scep/httpd/intune_proto.c
%C%_replay_intune_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
%C%_replay_intune_LDADD = libscepcore.la $(JANSSON_LIBS)
%C%_replay_ejbca_SOURCES = %D%/fuzz_ejbca.c %D%/replay.c %D%/fuzz.h
%C%_replay_ejbca_LDADD = libscepejbca.la
%C%_replay_ces_SOURCES = %D%/fuzz_ces.c %D%/replay.c %D%/fuzz.h
%C%_replay_ces_LDADD = libscepadcs.la
%C%_replay_certsrv_SOURCES = %D%/fuzz_certsrv.c %D%/replay.c %D%/fuzz.h
%C%_replay_certsrv_LDADD = libscepadcs.la
%C%_replay_seal_SOURCES = %D%/fuzz_seal.c %D%/replay.c %D%/fuzz.h
%C%_replay_seal_LDADD = libscepcore.la
%C%_replay_static_SOURCES = %D%/fuzz_static.c %D%/replay.c %D%/fuzz.h
%C%_replay_static_LDADD = libscepcore.la
%C%_replay_webhook_SOURCES = %D%/fuzz_webhook.c %D%/replay.c %D%/fuzz.h \
	mod_scep/httpd/webhook_names.c mod_scep/httpd/webhook_proto.c
%C%_replay_webhook_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
%C%_replay_webhook_LDADD = libscepcore.la $(JANSSON_LIBS)
EXTRA_DIST += %D%/corpus

# ./configure CC=clang && make fuzz
# srcdir=.. t/fuzz/fuzz_csr -max_total_time=300 NEW-CORPUS ../t/fuzz/corpus/csr
FUZZ_CFLAGS = -g -O1 -fno-omit-frame-pointer \
	-fsanitize=fuzzer-no-link,address,undefined \
	-fno-sanitize-recover=undefined
FUZZ_LINK = -fsanitize=fuzzer,address,undefined
FUZZ_TARGETS = %D%/fuzz_query %D%/fuzz_cert_id %D%/fuzz_csr %D%/fuzz_message %D%/fuzz_intune \
	%D%/fuzz_static %D%/fuzz_webhook %D%/fuzz_ejbca \
	%D%/fuzz_certsrv %D%/fuzz_ces %D%/fuzz_seal

EXTRA_LTLIBRARIES = %D%/libscepfuzz.la
EXTRA_PROGRAMS += $(FUZZ_TARGETS)
CLEANFILES += $(FUZZ_TARGETS) %D%/libscepfuzz.la
%C%_libscepfuzz_la_SOURCES = $(libscepcore_la_SOURCES)
%C%_libscepfuzz_la_CFLAGS = $(AM_CFLAGS) $(FUZZ_CFLAGS)
%C%_libscepfuzz_la_LIBADD = $(libscepcore_la_LIBADD)
%C%_fuzz_query_SOURCES = %D%/fuzz_query.c %D%/fuzz.h
%C%_fuzz_query_CFLAGS = $(AM_CFLAGS) $(FUZZ_CFLAGS)
%C%_fuzz_query_LDFLAGS = $(FUZZ_LINK)
%C%_fuzz_query_LDADD = %D%/libscepfuzz.la
%C%_fuzz_cert_id_SOURCES = %D%/fuzz_cert_id.c %D%/fuzz.h
%C%_fuzz_cert_id_CFLAGS = $(AM_CFLAGS) $(FUZZ_CFLAGS)
%C%_fuzz_cert_id_LDFLAGS = $(FUZZ_LINK)
%C%_fuzz_cert_id_LDADD = %D%/libscepfuzz.la
%C%_fuzz_csr_SOURCES = %D%/fuzz_csr.c %D%/fuzz.h
%C%_fuzz_csr_CFLAGS = $(AM_CFLAGS) $(FUZZ_CFLAGS)
%C%_fuzz_csr_LDFLAGS = $(FUZZ_LINK)
%C%_fuzz_csr_LDADD = %D%/libscepfuzz.la
%C%_fuzz_message_SOURCES = %D%/fuzz_message.c %D%/fuzz.h \
	t/unit/support.c t/unit/support.h
%C%_fuzz_message_CFLAGS = $(AM_CFLAGS) $(FUZZ_CFLAGS)
%C%_fuzz_message_LDFLAGS = $(FUZZ_LINK)
%C%_fuzz_message_LDADD = %D%/libscepfuzz.la
%C%_fuzz_intune_SOURCES = %D%/fuzz_intune.c %D%/fuzz.h \
	mod_scep/httpd/intune_proto.c
%C%_fuzz_intune_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS) $(FUZZ_CFLAGS)
%C%_fuzz_intune_LDFLAGS = $(FUZZ_LINK)
%C%_fuzz_intune_LDADD = %D%/libscepfuzz.la $(JANSSON_LIBS)
%C%_fuzz_ejbca_SOURCES = %D%/fuzz_ejbca.c %D%/fuzz.h \
	$(libscepejbca_la_SOURCES)
%C%_fuzz_ejbca_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS) $(FUZZ_CFLAGS)
%C%_fuzz_ejbca_LDFLAGS = $(FUZZ_LINK)
%C%_fuzz_ejbca_LDADD = $(JANSSON_LIBS) $(OPENSSL_LIBS) $(APR_LIBS)
%C%_fuzz_ces_SOURCES = %D%/fuzz_ces.c %D%/fuzz.h $(libscepadcs_la_SOURCES)
%C%_fuzz_ces_CFLAGS = $(AM_CFLAGS) $(XML_CFLAGS) $(FUZZ_CFLAGS)
%C%_fuzz_ces_LDFLAGS = $(FUZZ_LINK)
%C%_fuzz_ces_LDADD = $(XML_LIBS) $(OPENSSL_LIBS) $(APR_LIBS)
%C%_fuzz_certsrv_SOURCES = %D%/fuzz_certsrv.c %D%/fuzz.h \
	ca-connectors/adcs/adcs_decode.c ca-connectors/adcs/certsrv_page.c \
	ca-connectors/adcs/certsrv_proto.c ca-connectors/adcs/hresult.c
%C%_fuzz_certsrv_CFLAGS = $(AM_CFLAGS) $(FUZZ_CFLAGS)
%C%_fuzz_certsrv_LDFLAGS = $(FUZZ_LINK)
%C%_fuzz_certsrv_LDADD = $(OPENSSL_LIBS) $(APR_LIBS)
%C%_fuzz_seal_SOURCES = %D%/fuzz_seal.c %D%/fuzz.h
%C%_fuzz_seal_CFLAGS = $(AM_CFLAGS) $(FUZZ_CFLAGS)
%C%_fuzz_seal_LDFLAGS = $(FUZZ_LINK)
%C%_fuzz_seal_LDADD = %D%/libscepfuzz.la
%C%_fuzz_static_SOURCES = %D%/fuzz_static.c %D%/fuzz.h
%C%_fuzz_static_CFLAGS = $(AM_CFLAGS) $(FUZZ_CFLAGS)
%C%_fuzz_static_LDFLAGS = $(FUZZ_LINK)
%C%_fuzz_static_LDADD = %D%/libscepfuzz.la
%C%_fuzz_webhook_SOURCES = %D%/fuzz_webhook.c %D%/fuzz.h \
	mod_scep/httpd/webhook_names.c mod_scep/httpd/webhook_proto.c
%C%_fuzz_webhook_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS) $(FUZZ_CFLAGS)
%C%_fuzz_webhook_LDFLAGS = $(FUZZ_LINK)
%C%_fuzz_webhook_LDADD = %D%/libscepfuzz.la $(JANSSON_LIBS)

fuzz:
	@$(CC) --version | grep -q clang || \
	{ echo "make fuzz: configure with CC=clang"; exit 1; }
	$(MAKE) $(AM_MAKEFLAGS) $(FUZZ_TARGETS)
.PHONY: fuzz

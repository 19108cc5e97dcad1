/* check_name.c - tests of names as text and in canonical form
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>
#include <string.h>

#include <apr_general.h>
#include <apr_strings.h>
#include <check.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "name.h"
#include "run.h"

static apr_pool_t *pool;

static void setup(void)
{
    ck_assert_int_eq(apr_initialize(), APR_SUCCESS);
    ck_assert_int_eq(apr_pool_create(&pool, NULL), APR_SUCCESS);
}

static void teardown(void)
{
    ck_assert_uint_eq(ERR_peek_error(), 0);
    apr_pool_destroy(pool);
    apr_terminate();
}

/* ------------------------------------------------------------------ */

static const char *text_of(int type, const char *octets, int len)
{
    ASN1_STRING *string = ASN1_STRING_type_new(type);
    const char *text;

    ck_assert_ptr_nonnull(string);
    ck_assert_int_eq(ASN1_STRING_set(string, octets, len), 1);
    text = scep_name_utf8(string, pool);
    ASN1_STRING_free(string);
    return text;
}

START_TEST(q21_every_string_type_gives_the_same_text)
{
    static const char grinning[] = "\xf0\x9f\x98\x80";

    ck_assert_str_eq(text_of(V_ASN1_PRINTABLESTRING, "abc", 3), "abc");
    ck_assert_str_eq(text_of(V_ASN1_UTF8STRING, "abc", 3), "abc");
    ck_assert_str_eq(text_of(V_ASN1_IA5STRING, "abc", 3), "abc");
    ck_assert_str_eq(text_of(V_ASN1_VISIBLESTRING, "abc", 3), "abc");
    ck_assert_str_eq(text_of(V_ASN1_NUMERICSTRING, "123", 3), "123");
    ck_assert_str_eq(text_of(V_ASN1_T61STRING, "\xe4", 1), "\xc3\xa4");
    ck_assert_str_eq(text_of(V_ASN1_UTF8STRING, "\xc3\xa4", 2), "\xc3\xa4");
    ck_assert_str_eq(text_of(V_ASN1_BMPSTRING, "\0\xe4", 2), "\xc3\xa4");
    ck_assert_str_eq(text_of(V_ASN1_UNIVERSALSTRING, "\0\0\0\xe4", 4),
                     "\xc3\xa4");
    ck_assert_str_eq(text_of(V_ASN1_UNIVERSALSTRING, "\0\1\xf6\0", 4),
                     grinning);
    ck_assert_str_eq(text_of(V_ASN1_UTF8STRING, grinning, 4), grinning);
    ck_assert_str_eq(text_of(V_ASN1_UTF8STRING, "", 0), "");
}
END_TEST

START_TEST(q21_what_is_no_text_is_refused)
{
    ck_assert_ptr_null(text_of(V_ASN1_UTF8STRING, "a\0b", 3));
    ck_assert_ptr_null(text_of(V_ASN1_PRINTABLESTRING, "a\0", 2));
    ck_assert_ptr_null(text_of(V_ASN1_BMPSTRING, "\0\0", 2));
    ck_assert_ptr_null(text_of(V_ASN1_BMPSTRING, "\0a\0", 3));
    ck_assert_ptr_null(text_of(V_ASN1_BMPSTRING, "\xd8\x3d", 2));
    ck_assert_ptr_null(text_of(V_ASN1_UNIVERSALSTRING, "\0\0\0", 3));
    ck_assert_ptr_null(text_of(V_ASN1_UNIVERSALSTRING, "\0\x11\0\0", 4));
    ck_assert_ptr_null(text_of(V_ASN1_UTF8STRING, "\xe4", 1));
    ck_assert_ptr_null(text_of(V_ASN1_UTF8STRING, "\xc0\x80", 2));
    ck_assert_ptr_null(text_of(V_ASN1_UTF8STRING, "\xed\xa0\x80", 3));
    ck_assert_ptr_null(text_of(V_ASN1_OCTET_STRING, "abc", 3));
    ck_assert_ptr_null(text_of(V_ASN1_BIT_STRING, "abc", 3));
    ck_assert_ptr_null(text_of(V_ASN1_UTCTIME, "200101000000Z", 13));
    ck_assert_ptr_null(scep_name_utf8(NULL, pool));
}
END_TEST

/* ------------------------------------------------------------------ */

static X509_NAME *parse(const char *text)
{
    X509_NAME *name = NULL;
    const char *error = scep_name_parse(&name, text, pool);

    ck_assert_msg(!error, "%s: %s", text, error);
    return name;
}

static void parses_to(const char *text, const char *rfc4514)
{
    ck_assert_str_eq(scep_name_text(parse(text), pool), rfc4514);
}

START_TEST(issue2_subjects_are_read_in_every_usual_form)
{
    parses_to("CN=a,O=b", "CN=a,O=b");
    parses_to("C=CH, O=b, CN=a", "C=CH,O=b,CN=a");
    parses_to("  C = CH ,  O = b c ; CN = a  ", "C=CH,O=b c,CN=a");
    parses_to("/C=CH/O=b/CN=a", "CN=a,O=b,C=CH");
    parses_to("CN=a+serialNumber=1,O=b", "CN=a+serialNumber=1,O=b");
    parses_to("/O=b/CN=a+UID=x", "CN=a+UID=x,O=b");
    parses_to("cn=a,ou=b,o=c,dc=d,uid=e", "CN=a,OU=b,O=c,DC=d,UID=e");
    parses_to("E=a@b,S=c,commonName=d,GN=e,SN=f",
              "emailAddress=a@b,ST=c,CN=d,GN=e,SN=f");
    parses_to("2.5.4.3=a,OID.2.5.4.10=b,1.2.3.4=c", "CN=a,O=b,1.2.3.4=c");
    parses_to("CN=a=b,O=", "CN=a=b,O=");
    parses_to("", "");
    parses_to("  ", "");
    parses_to("/", "");
}
END_TEST

START_TEST(issue2_escapes_and_quotes_are_read)
{
    parses_to("CN=a\\,b\\+c\\\\d", "CN=a\\,b\\+c\\\\d");
    parses_to("CN=\\C3\\A4,O=\\ a\\ ", "CN=\xc3\xa4,O=\\ a\\ ");
    parses_to("CN=\\#a", "CN=\\#a");
    parses_to("O=\"b, c\" , CN=a", "O=b\\, c,CN=a");
    parses_to("O=\" b \\\"c\\\" \",CN=a", "O=\\ b \\\"c\\\"\\ ,CN=a");
    parses_to("/CN=a\\/b,c", "CN=a/b\\,c");
    parses_to("CN=a/b", "CN=a/b");
    parses_to("CN=a\\0Ab", "CN=a\\0Ab");
    parses_to("CN=a b", "CN=a b");
}
END_TEST

static void fails(const char *text, const char *why)
{
    X509_NAME *name = NULL;
    const char *error = scep_name_parse(&name, text, pool);

    ck_assert_msg(error && strstr(error, why), "%s: %s", text, error);
    ck_assert_ptr_null(name);
}

START_TEST(issue2_a_wrong_subject_is_named)
{
    fails("abc", "no '=' in 'abc'");
    fails("CN=a,", "no '='");
    fails("CN=a,,O=b", "',O' is no attribute type");
    fails("CN=a, Inc., O=b", "'Inc., O' is no attribute type");
    fails("/CN=a/b", "no '=' in 'b'");
    fails("=a", "'' is no attribute type");
    fails("foo=a", "'foo' is no attribute type");
    fails("1.x=a", "'1.x' is no attribute type");
    fails("1.2.=a", "'1.2.' is no attribute type");
    fails("CN=a\\", "backslash");
    fails("CN=a\\00b", "NUL");
    fails("CN=\"a", "quotation mark");
    fails("CN=\"a\"b", "separator is missing before 'b'");
    fails("CN=#0c0161", "'#' form");
    fails("CN=\xe4", "no UTF-8");
    fails("CN=\\E4", "no UTF-8");
}
END_TEST

/* ------------------------------------------------------------------ */

static const char *canonical(const char *text)
{
    return scep_name_canonical(parse(text), pool);
}

static void same(const char *a, const char *b)
{
    ck_assert_str_eq(canonical(a), canonical(b));
}

static void differ(const char *a, const char *b)
{
    ck_assert_str_ne(canonical(a), canonical(b));
}

START_TEST(issue2_canonical_form_of_a_subject)
{
    ck_assert_str_eq(canonical("CN=dev,O=x"), "2.5.4.10=1:x,2.5.4.3=3:dev");
    ck_assert_str_eq(canonical(""), "");
    same("CN=a,O=b,C=c", "C=c,O=b,CN=a");
    same("CN=a,O=b,C=c", "/CN=a/O=b/C=c");
    same("CN=a+UID=b,O=c", "O=c,UID=b+CN=a");
    same("CN=a", "2.5.4.3=a");
    differ("CN=a,O=b,C=c", "O=b,CN=a,C=c");
    differ("CN=a", "CN=A");
    differ("CN=a", "CN=a\\ ");
    differ("CN=a,UID=b", "CN=a+UID=b");
    differ("CN=a,CN=a", "CN=a");
    differ("CN=a\\,2.5.4.10=1:b", "CN=a,O=b");
    differ("CN=a\\+b", "CN=a+CN=b");
    differ("CN=\xc3\xa4", "CN=a\xcc\x88"); /* no Unicode normalisation */
}
END_TEST

static X509_NAME *name_of(int type, const char *octets, int len)
{
    X509_NAME *name = X509_NAME_new();

    ck_assert_int_eq(X509_NAME_add_entry_by_txt(name, "CN", type,
                                                (const void *)octets, len, -1,
                                                0),
                     1);
    return name;
}

static const char *canonical_of(int type, const char *octets, int len)
{
    X509_NAME *name = name_of(type, octets, len);
    const char *text = scep_name_canonical(name, pool);

    X509_NAME_free(name);
    return text;
}

START_TEST(issue2_canonical_form_looks_at_text_not_at_string_type)
{
    const char *form = canonical("CN=\xc3\xa4");

    ck_assert_str_eq(form, "2.5.4.3=2:\xc3\xa4");
    ck_assert_str_eq(canonical_of(V_ASN1_BMPSTRING, "\0\xe4", 2), form);
    ck_assert_str_eq(canonical_of(V_ASN1_T61STRING, "\xe4", 1), form);
    ck_assert_str_eq(canonical_of(V_ASN1_UNIVERSALSTRING, "\0\0\0\xe4", 4),
                     form);
    ck_assert_ptr_null(canonical_of(V_ASN1_UTF8STRING, "a\0b", 3));
    ck_assert_ptr_null(canonical_of(V_ASN1_BIT_STRING, "a", 1));
    ck_assert_ptr_null(canonical_of(V_ASN1_UTF8STRING, "\xff", 1));
}
END_TEST

START_TEST(issue2_text_of_a_name_cannot_be_forged)
{
    static const struct {
        int type, len;
        const char *octets, *text;
    } cases[] = {
        { V_ASN1_UTF8STRING, 8, "a,CN=b+c", "CN=a\\,CN=b\\+c" },
        { V_ASN1_UTF8STRING, 3, "a\nb", "CN=a\\0Ab" },
        { V_ASN1_UTF8STRING, 3, "a\x7f\x1b", "CN=a\\7F\\1B" },
        { V_ASN1_UTF8STRING, 4,
          "a\xc2\x9b"
          "b",
          "CN=a\\C2\\9Bb" },
        { V_ASN1_UTF8STRING, 2, "\xc2\xa0", "CN=\xc2\xa0" },
        { V_ASN1_T61STRING, 1, "\x9b", "CN=\\C2\\9B" },
        { V_ASN1_UTF8STRING, 3, "a\0b", "CN=#610062" },
        { V_ASN1_UTF8STRING, 1, "\xff", "CN=#ff" },
        { V_ASN1_BIT_STRING, 1, "a", "CN=#61" },
        { V_ASN1_UTF8STRING, 3, "#61", "CN=\\#61" },
        { V_ASN1_UTF8STRING, 3, " a ", "CN=\\ a\\ " },
        { V_ASN1_UTF8STRING, 1, " ", "CN=\\ " },
        { V_ASN1_UTF8STRING, 4, "\"<>;", "CN=\\\"\\<\\>\\;" },
    };
    apr_size_t i;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        X509_NAME *name =
            name_of(cases[i].type, cases[i].octets, cases[i].len);

        ck_assert_str_eq(scep_name_text(name, pool), cases[i].text);
        X509_NAME_free(name);
    }
}
END_TEST

/* ------------------------------------------------------------------ */

static GENERAL_NAMES *sans_of(const char *config)
{
    X509_EXTENSION *extension =
        X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, config);
    GENERAL_NAMES *sans = extension ? X509V3_EXT_d2i(extension) : NULL;

    ck_assert_msg(sans != NULL, "%s", config);
    X509_EXTENSION_free(extension);
    return sans;
}

static void san_is(const char *config, unsigned int type,
                   const char *canonical_form, const char *text)
{
    GENERAL_NAMES *sans = sans_of(config);

    ck_assert_uint_eq(scep_name_san_type_of(sk_GENERAL_NAME_value(sans, 0)),
                      type);
    ck_assert_str_eq(scep_name_sans_canonical(sans, pool), canonical_form);
    ck_assert_str_eq(scep_name_sans_text(sans, pool), text);
    GENERAL_NAMES_free(sans);
}

START_TEST(c47_every_type_of_san_is_told_apart)
{
    san_is("DNS:Dev.Example", SCEP_SAN_DNS, "dns=11:dev.example",
           "dns:dev.example");
    san_is("IP:192.0.2.1", SCEP_SAN_IP, "ip=9:192.0.2.1", "ip:192.0.2.1");
    san_is("IP:2001:DB8:0:0:1:0:0:1", SCEP_SAN_IP, "ip=17:2001:db8::1:0:0:1",
           "ip:2001:db8::1:0:0:1");
    san_is("IP:::", SCEP_SAN_IP, "ip=2:::", "ip:::");
    san_is("IP:::1", SCEP_SAN_IP, "ip=3:::1", "ip:::1");
    san_is("IP:fe80::", SCEP_SAN_IP, "ip=6:fe80::", "ip:fe80::");
    san_is("IP:1:2:3:4:5:6:7:8", SCEP_SAN_IP, "ip=15:1:2:3:4:5:6:7:8",
           "ip:1:2:3:4:5:6:7:8");
    san_is("IP:1:0:3:4:5:6:7:8", SCEP_SAN_IP, "ip=15:1:0:3:4:5:6:7:8",
           "ip:1:0:3:4:5:6:7:8");
    san_is("email:A.B@Example.ORG", SCEP_SAN_EMAIL, "email=15:A.B@example.org",
           "email:A.B@example.org");
    san_is("URI:HTTP://A/b", SCEP_SAN_URI, "uri=10:HTTP://A/b",
           "uri:HTTP://A/b");
    san_is("otherName:1.3.6.1.4.1.311.20.2.3;UTF8:a@b", SCEP_SAN_UPN,
           "upn=3:a@b", "upn:a@b");
    san_is("otherName:1.3.6.1.4.1.311.20.2.3;IA5:a@b", SCEP_SAN_UPN,
           "upn=3:a@b", "upn:a@b");
    san_is("otherName:1.2.3;UTF8:a", SCEP_SAN_OTHER,
           "other=22:a00906022a03a0030c0161", "other:#a00906022a03a0030c0161");
    san_is("RID:1.2.3.4", SCEP_SAN_RID, "rid=7:1.2.3.4", "rid:1.2.3.4");
}
END_TEST

START_TEST(c47_the_order_and_doubles_of_sans_do_not_matter)
{
    GENERAL_NAMES *a = sans_of("DNS:b,DNS:a,IP:192.0.2.1,DNS:B");
    GENERAL_NAMES *b = sans_of("IP:192.0.2.1,DNS:A,DNS:b");
    GENERAL_NAMES *c = sans_of("DNS:a,IP:192.0.2.1");

    ck_assert_str_eq(scep_name_sans_canonical(a, pool),
                     "dns=1:a,dns=1:b,ip=9:192.0.2.1");
    ck_assert_str_eq(scep_name_sans_canonical(b, pool),
                     scep_name_sans_canonical(a, pool));
    ck_assert_str_ne(scep_name_sans_canonical(c, pool),
                     scep_name_sans_canonical(a, pool));
    ck_assert_str_eq(scep_name_sans_text(b, pool),
                     "ip:192.0.2.1, dns:a, dns:b");
    ck_assert_str_eq(scep_name_sans_canonical(NULL, pool), "");
    ck_assert_str_eq(scep_name_sans_text(NULL, pool), "");
    GENERAL_NAMES_free(a);
    GENERAL_NAMES_free(b);
    GENERAL_NAMES_free(c);
}
END_TEST

static GENERAL_NAMES *san_with(int form, int asn1_type, const char *octets,
                               int len)
{
    GENERAL_NAMES *sans = GENERAL_NAMES_new();
    GENERAL_NAME *gn = GENERAL_NAME_new();
    ASN1_STRING *string = ASN1_STRING_type_new(asn1_type);

    ck_assert_int_eq(ASN1_STRING_set(string, octets, len), 1);
    GENERAL_NAME_set0_value(gn, form, string);
    sk_GENERAL_NAME_push(sans, gn);
    return sans;
}

static void malformed(int form, int asn1_type, const char *octets, int len)
{
    GENERAL_NAMES *sans = san_with(form, asn1_type, octets, len);

    ck_assert_ptr_null(scep_name_sans_canonical(sans, pool));
    ck_assert_ptr_nonnull(strstr(scep_name_sans_text(sans, pool), ":#"));
    GENERAL_NAMES_free(sans);
}

START_TEST(c47_malformed_sans_have_no_canonical_form)
{
    malformed(GEN_DNS, V_ASN1_IA5STRING, "a\0.example", 10);
    malformed(GEN_DNS, V_ASN1_IA5STRING, "", 0);
    malformed(GEN_DNS, V_ASN1_IA5STRING, "a b", 3);
    malformed(GEN_DNS, V_ASN1_IA5STRING, "a\n", 2);
    malformed(GEN_DNS, V_ASN1_IA5STRING, "\xc3\xa4", 2);
    malformed(GEN_EMAIL, V_ASN1_IA5STRING, "a@b\0c", 5);
    malformed(GEN_EMAIL, V_ASN1_IA5STRING, "a", 1);
    malformed(GEN_EMAIL, V_ASN1_IA5STRING, "@b", 2);
    malformed(GEN_EMAIL, V_ASN1_IA5STRING, "a@", 2);
    malformed(GEN_URI, V_ASN1_IA5STRING, "http://a\0b", 10);
    malformed(GEN_IPADD, V_ASN1_OCTET_STRING, "abcde", 5);
    malformed(GEN_IPADD, V_ASN1_OCTET_STRING, "abcdefgh", 8);
    malformed(GEN_IPADD, V_ASN1_OCTET_STRING, "", 0);
}
END_TEST

static void uri_is(const char *uri, unsigned int type, const char *text)
{
    GENERAL_NAMES *sans =
        san_with(GEN_URI, V_ASN1_IA5STRING, uri, (int)strlen(uri));

    ck_assert_uint_eq(scep_name_san_type_of(sk_GENERAL_NAME_value(sans, 0)),
                      type);
    ck_assert_str_eq(scep_name_sans_text(sans, pool), text);
    GENERAL_NAMES_free(sans);
}

START_TEST(c48_a_uri_that_windows_reads_a_sid_from_is_a_type_of_its_own)
{
    uri_is("tag:microsoft.com,2022-09-14:sid:S-1-5", SCEP_SAN_SID,
           "sid:tag:microsoft.com\\,2022-09-14:sid:S-1-5");
    uri_is("TAG:Microsoft.com,2022-09-14:SID:S-1", SCEP_SAN_SID,
           "sid:TAG:Microsoft.com\\,2022-09-14:SID:S-1");
    uri_is("tag:microsoft.com,2022-09-14:sid:", SCEP_SAN_SID,
           "sid:tag:microsoft.com\\,2022-09-14:sid:");
    uri_is("tag:microsoft.com,2022-09-14:sid", SCEP_SAN_URI,
           "uri:tag:microsoft.com\\,2022-09-14:sid");
}
END_TEST

START_TEST(c47_text_of_sans_cannot_be_forged)
{
    GENERAL_NAMES *sans = sans_of("otherName:msUPN;UTF8:a\nb");
    ASN1_TYPE *upn = sk_GENERAL_NAME_value(sans, 0)->d.otherName->value;

    ck_assert_str_eq(scep_name_sans_text(sans, pool), "upn:a\\0Ab");
    ck_assert_int_eq(ASN1_STRING_set(upn->value.asn1_string, "a, dns:b", -1),
                     1);
    ck_assert_str_eq(scep_name_sans_text(sans, pool), "upn:a\\, dns:b");
    ck_assert_int_eq(ASN1_STRING_set(upn->value.asn1_string, "a\0b", 3), 1);
    ck_assert_ptr_null(scep_name_sans_canonical(sans, pool));
    ASN1_TYPE_set(upn, V_ASN1_NULL, NULL);
    ck_assert_ptr_null(scep_name_sans_canonical(sans, pool));
    ASN1_TYPE_set(upn, V_ASN1_BOOLEAN, upn);
    ck_assert_ptr_null(scep_name_sans_canonical(sans, pool));
    ck_assert_uint_eq(scep_name_san_type_of(sk_GENERAL_NAME_value(sans, 0)),
                      SCEP_SAN_UPN);
    GENERAL_NAMES_free(sans);
}
END_TEST

static const char *parse_words(const char *list, const char **error)
{
    apr_array_header_t *words = apr_array_make(pool, 4, sizeof(char *));
    char *copy = apr_pstrdup(pool, list), *state, *word;

    for (word = apr_strtok(copy, " ", &state); word;
         word = apr_strtok(NULL, " ", &state))
        *(const char **)apr_array_push(words) = word;
    return scep_name_sans_parse(words, error, pool);
}

static void words_are(const char *list, const char *form)
{
    const char *error, *parsed = parse_words(list, &error);

    ck_assert_msg(parsed != NULL, "%s: %s", list, error);
    ck_assert_ptr_null(error);
    ck_assert_str_eq(parsed, form);
}

START_TEST(issue2_words_of_an_administrator_give_the_same_form)
{
    words_are("", "");
    words_are("dns:B.example dns:a.example",
              "dns=9:a.example,dns=9:b.example");
    words_are("DNS:a ip:192.0.2.1", "dns=1:a,ip=9:192.0.2.1");
    words_are("ip:2001:db8:0::1 ip:2001:DB8::1", "ip=11:2001:db8::1");
    words_are("email:a@B uri:urn:x upn:u@d", "email=3:a@b,upn=3:u@d,"
                                             "uri=5:urn:x");
    words_are("sid:S-1-5-21",
              "sid=41:tag:microsoft.com,2022-09-14:sid:S-1-5-21");
    words_are("uri:tag:microsoft.com,2022-09-14:sid:S-1-5-21",
              "sid=41:tag:microsoft.com,2022-09-14:sid:S-1-5-21");
    words_are("rid:1.2.3", "rid=5:1.2.3");
    words_are("dirname:CN=a,O=b", "dirname=24:2.5.4.10=1:b,2.5.4.3=1:a");
}
END_TEST

static void words_fail(const char *list, const char *why)
{
    const char *error, *parsed = parse_words(list, &error);

    ck_assert_ptr_null(parsed);
    ck_assert_msg(error && strstr(error, why), "%s: %s", list, error);
}

START_TEST(issue2_a_wrong_word_is_named)
{
    words_fail("a.example", "'a.example' does not begin with dns:");
    words_fail("dns:a other:x", "'other:x' does not begin with");
    words_fail("foo:x", "'foo:x' does not begin with");
    words_fail("dns:", "'dns:' has a malformed value");
    words_fail("dns:\xc3\xa4", "malformed");
    words_fail("ip:1.2.3", "'ip:1.2.3' has a malformed value");
    words_fail("ip:300.1.1.1", "malformed");
    words_fail("email:x", "malformed");
    words_fail("upn:", "malformed");
    words_fail("upn:\xff", "malformed");
    words_fail("rid:x", "malformed");
    words_fail("dirname:x", "'dirname:x': there is no '='");
}
END_TEST

START_TEST(issue2_types_of_san_by_name)
{
    ck_assert_uint_eq(scep_name_san_type("dns"), SCEP_SAN_DNS);
    ck_assert_uint_eq(scep_name_san_type("UPN"), SCEP_SAN_UPN);
    ck_assert_uint_eq(scep_name_san_type("other"), SCEP_SAN_OTHER);
    ck_assert_uint_eq(scep_name_san_type("none"), 0);
    ck_assert_uint_eq(scep_name_san_type(""), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("name");
    TCase *tcase = tcase_create("name");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, q21_every_string_type_gives_the_same_text);
    tcase_add_test(tcase, q21_what_is_no_text_is_refused);
    tcase_add_test(tcase, issue2_subjects_are_read_in_every_usual_form);
    tcase_add_test(tcase, issue2_escapes_and_quotes_are_read);
    tcase_add_test(tcase, issue2_a_wrong_subject_is_named);
    tcase_add_test(tcase, issue2_canonical_form_of_a_subject);
    tcase_add_test(tcase,
                   issue2_canonical_form_looks_at_text_not_at_string_type);
    tcase_add_test(tcase, issue2_text_of_a_name_cannot_be_forged);
    tcase_add_test(tcase, c47_every_type_of_san_is_told_apart);
    tcase_add_test(tcase, c47_the_order_and_doubles_of_sans_do_not_matter);
    tcase_add_test(tcase, c47_malformed_sans_have_no_canonical_form);
    tcase_add_test(
        tcase, c48_a_uri_that_windows_reads_a_sid_from_is_a_type_of_its_own);
    tcase_add_test(tcase, c47_text_of_sans_cannot_be_forged);
    tcase_add_test(tcase, issue2_words_of_an_administrator_give_the_same_form);
    tcase_add_test(tcase, issue2_a_wrong_word_is_named);
    tcase_add_test(tcase, issue2_types_of_san_by_name);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}

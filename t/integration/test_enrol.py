"""Enrolment: what is read, what is answered (C-28 to C-64, R-22 to R-48).

SPDX-License-Identifier: Apache-2.0
"""
import datetime
import os

import pytest
from asn1crypto import x509 as asn1_x509
from cryptography import x509

import certrep
import der
import pki
import pkimessage
from gateway import make_csr
from pki import (attribute, certificate, challenge_password, csr,
                 extension_request, key_usage, name)
from pkimessage import (BAD_ALG, BAD_MESSAGE_CHECK, BAD_REQUEST, BAD_TIME,
                        FAILURE, SUCCESS, Oaep, Pkcs1)


def issued(reply, key):
    return reply.check_issued(key)


def refused(reply, fail_info):
    assert reply.status == FAILURE
    assert reply.fail_info == fail_info, (reply.fail_info, reply.fail_text)


@pytest.fixture
def try_and_prove(server, keys):
    """Sends a request that must fail, then shows that its challenge and
    nothing but the fault stood in the way: the repaired one succeeds."""
    def run(fail_info, profile="default", repair=None, csr_der=None,
            key=None, signer=None, forms=None, **members):
        key = key or keys.rsa()
        signer = signer or keys.signer()
        challenge = server.challenge(profile)
        good = make_csr(keys.rsa(), challenge)
        endpoint = server.endpoint(profile, **(forms or {}))
        if callable(csr_der):
            csr_der = csr_der(challenge)
        message = endpoint.request(key, csr_der or good, signer, **members)
        reply = endpoint.send(message)
        refused(reply, fail_info)
        endpoint = server.endpoint(profile)
        fixed = endpoint.request(keys.rsa(), good, keys.signer(),
                                 **(repair or {}))
        endpoint.send(fixed).check_issued(keys.rsa())
        return reply
    return run


# ------------------------------------------------------------- good and BER

def test_r30_aes128_sha256(enrol, keys):
    issued(enrol(), keys.rsa())


@pytest.mark.parametrize("method", ["POST", "GET"])
@pytest.mark.parametrize("enc", [
    der.Ber(), der.Ber(1), der.Ber(7, nested=True), der.Ber(10 ** 6),
    der.Ber(64, indefinite=False)],
    ids=["indefinite", "octet by octet", "nested", "one piece", "long form"])
def test_c28_q07_ber_at_every_level(enrol, keys, enc, method):
    if method == "GET" and enc.piece < 64:
        method = "POST"
    issued(enrol(enc=enc, method=method), keys.rsa())


@pytest.mark.parametrize("transport", [
    Oaep("sha1"), Oaep("sha256"), Oaep("sha384"), Oaep("sha512"),
    Oaep("sha256", "sha1"), Oaep(params="empty"), Oaep(params="null"),
    Oaep(params="absent")],
    ids=["sha1", "sha256", "sha384", "sha512", "sha256-mgf1sha1", "empty",
         "null", "absent"])
def test_c29_c55_oaep_in_oaep_out(enrol, keys, transport):
    issued(enrol(transport=transport), keys.rsa())


def test_c55_pkcs1_can_be_forced(enrol, keys):
    for transport in (Pkcs1(), Oaep("sha256")):
        issued(enrol("pkcs1", transport=transport, forms={"pkcs1": True}),
               keys.rsa())


@pytest.mark.parametrize("cipher", ["aes128", "aes192", "aes256"])
@pytest.mark.parametrize("digest", ["sha256", "sha384", "sha512"])
def test_c53_q01_q02_r48_cipher_and_digest_are_mirrored(enrol, keys, cipher,
                                                        digest):
    # CertRep compares both with the request's
    issued(enrol(cipher=cipher, digest=digest, csr={"digest": digest}),
           keys.rsa())


@pytest.mark.parametrize("cipher", ["des", "des3", "aes128"])
@pytest.mark.parametrize("digest", ["md5", "sha1", "sha256"])
def test_q18_legacy_crypto_behind_its_switch(enrol, keys, cipher, digest):
    issued(enrol("legacy", cipher=cipher, digest=digest,
                 csr={"digest": digest}), keys.rsa())


def strong(members):
    """No reply is signed with a digest that is not allowed."""
    return {"digest": "sha256"} if "digest" in members else {}


@pytest.mark.parametrize("cipher", ["des3", "aes128"])
@pytest.mark.parametrize("digest", ["sha1", "sha256"])
def test_c31_c32_sha1_and_3des_by_option(enrol, keys, cipher, digest):
    issued(enrol("old", cipher=cipher, digest=digest,
                 csr={"digest": digest}), keys.rsa())


@pytest.mark.parametrize("members", [
    {"cipher": "des"}, {"cipher": "des3"}, {"cipher": "camellia128"},
    {"digest": "md5"}, {"digest": "sha1"}, {"digest": "sha224"}],
    ids=lambda m: "".join(m.values()))
def test_c31_c32_other_algorithms_are_bad_alg(try_and_prove, members):
    try_and_prove(BAD_ALG, forms=strong(members), **members)


@pytest.mark.parametrize("members", [
    {"cipher": "des"}, {"digest": "md5"}], ids=["des", "md5"])
def test_c31_des_and_md5_are_never_allowed_by_options(try_and_prove, members):
    try_and_prove(BAD_ALG, "old", forms=strong(members), **members)


def test_c32_csr_with_md5_signature_is_bad_alg(try_and_prove, keys):
    for digest in ("md5", "sha1"):
        try_and_prove(BAD_ALG, csr_der=lambda secret: make_csr(
            keys.rsa(), secret, digest=digest))


# ------------------------------------------------------- signature, signer

def test_c33_unsorted_attributes(enrol, keys):
    issued(enrol(sort_attributes=False), keys.rsa())


@pytest.mark.parametrize("oid", [
    pki.RSA_WITH["sha256"], pki.RSA_ENCRYPTION])
def test_signature_algorithm_by_either_oid(enrol, keys, oid):
    issued(enrol(signature_oid=oid), keys.rsa())


def test_q10_version_1_signer_with_a_long_serial(enrol, keys):
    signer = certificate(keys.rsa(), name(("CN", "v1")), version=1,
                         serial=int.from_bytes(b"\x7f" * 32, "big"))
    issued(enrol(signer=signer), keys.rsa())


def test_c27_negative_and_zero_serials(enrol, keys):
    for serial in (-(1 << 70), 0, -1):
        signer = certificate(keys.rsa(), name(("CN", "odd")), serial=serial)
        issued(enrol(signer=signer), keys.rsa())


def test_c35_signer_subject_and_issuer_are_free(enrol, keys):
    signer = certificate(keys.rsa(), name(("CN", "SCEP SIGNER")),
                         issuer=name(("CN", "somebody else")))
    issued(enrol(signer=signer), keys.rsa())
    signer = certificate(keys.rsa(), name())
    issued(enrol(signer=signer), keys.rsa())


def test_c35_an_expired_self_signed_signer_is_no_obstacle(enrol, keys):
    signer = certificate(keys.rsa(), name(("CN", "old")), days=-1, age=20)
    issued(enrol(signer=signer), keys.rsa())


def test_c35_signer_among_several_certificates(enrol, keys):
    other = certificate(keys.rsa(number=1), name(("CN", "other")))
    for certs in ([other, keys.signer()], [keys.signer(), other]):
        issued(enrol(certificates=certs), keys.rsa())


def test_c35_self_signed_signer_must_have_the_csr_key(try_and_prove, keys,
                                                      server):
    other = keys.rsa(number=1)
    try_and_prove(BAD_REQUEST, key=other,
                  signer=certificate(other, name(("CN", "signer"))))


def test_r25_no_signer_certificate(try_and_prove, keys):
    try_and_prove(BAD_MESSAGE_CHECK, certificates=[])
    other = certificate(keys.rsa(number=1), name(("CN", "other")))
    try_and_prove(BAD_MESSAGE_CHECK, certificates=[other])


def test_c52_signer_without_key_encipherment_still_gets_its_reply(enrol,
                                                                  keys):
    signer = certificate(keys.rsa(), name(("CN", "ku")),
                         extensions=[key_usage(0)])
    issued(enrol(signer=signer), keys.rsa())


def test_c75_ec_key_is_bad_alg_before_anything_is_issued(try_and_prove, keys):
    key = keys.ec()
    try_and_prove(BAD_ALG, key=key,
                  signer=certificate(key, name(("CN", "ec"))),
                  csr_der=lambda secret: make_csr(key, secret))


def test_changed_signature_is_bad_message_check(try_and_prove):
    try_and_prove(BAD_MESSAGE_CHECK, spoil_signature=True)


@pytest.mark.parametrize("digest", [b"", b"x" * 32, b"x" * 20])
def test_c33_message_digest_must_match(try_and_prove, digest):
    try_and_prove(BAD_MESSAGE_CHECK,
                  attributes={pkimessage.MESSAGE_DIGEST: digest})


def test_r22_signed_data_without_attributes(try_and_prove):
    # what is left of the signed attributes cannot name a transaction
    try_and_prove(BAD_MESSAGE_CHECK, attributes={
        pkimessage.MESSAGE_DIGEST: None})


def test_q19_content_type_attribute_missing(try_and_prove):
    try_and_prove(BAD_MESSAGE_CHECK, attributes={
        pkimessage.CONTENT_TYPE: None})


def test_c33_content_type_attribute_must_be_data(try_and_prove):
    try_and_prove(BAD_MESSAGE_CHECK, attributes={
        pkimessage.CONTENT_TYPE: der.oid(pkimessage.ENVELOPED_DATA)})


def test_unknown_signed_attributes_are_ignored(enrol, keys):
    issued(enrol(attributes={
        pkimessage.SIGNING_TIME: der.tlv(0x17, b"200101000000Z"),
        "1.2.3.4.5": der.text(der.UTF8, "x"),
        "2.16.840.1.113733.1.9.8": der.text(der.PRINTABLE, "ext")}),
        keys.rsa())


# ---------------------------------------------------------------- envelope

@pytest.mark.parametrize("spoil", ["key", "padding", "content", "transport"])
@pytest.mark.parametrize("transport", [Pkcs1(), Oaep("sha256")],
                         ids=["pkcs1", "oaep"])
def test_c30_every_envelope_fault_has_one_answer(try_and_prove, spoil,
                                                 transport):
    reply = try_and_prove(BAD_MESSAGE_CHECK, spoil_envelope=spoil,
                          transport=transport)
    other = try_and_prove(BAD_MESSAGE_CHECK, spoil_signature=True)
    assert reply.fail_text == other.fail_text


def test_c30_garbled_csr_looks_like_a_wrong_key(try_and_prove):
    wrong_key = try_and_prove(BAD_MESSAGE_CHECK, spoil_envelope="key")
    for data in (b"", b"garbage", os.urandom(600), b"\x30\x80\0\0",
                 der.DER.seq(der.integer(1))):
        reply = try_and_prove(BAD_MESSAGE_CHECK, data=data)
        assert reply.fail_text == wrong_key.fail_text


def test_c63_wrong_recipient_is_bad_message_check(try_and_prove, keys):
    stranger = certificate(keys.rsa(number=1), name(("CN", "stranger")))
    try_and_prove(BAD_MESSAGE_CHECK, recipients=[stranger])


def test_c30_our_name_on_an_envelope_to_another_key(try_and_prove, keys,
                                                    server):
    ours = asn1_x509.Certificate.load(server.endpoint().identity.encrypt_cert)
    twin = certificate(keys.rsa(number=1), ours.subject.dump(),
                       issuer=ours.issuer.dump(), serial=ours.serial_number)
    try_and_prove(BAD_MESSAGE_CHECK, recipients=[twin])


def test_q11_several_recipients_ours_is_found(server, enrol, keys):
    ours = server.endpoint().identity.encrypt_cert
    strangers = [certificate(keys.rsa(number=n), name(("CN", "s%d" % n)))
                 for n in (1, 2)]
    for recipients in ([ours, *strangers], [*strangers, ours],
                       [strangers[0], ours, strangers[1]]):
        issued(enrol(recipients=recipients), keys.rsa())


def test_several_envelopes_none_for_us(try_and_prove, keys):
    try_and_prove(BAD_MESSAGE_CHECK, recipients=[
        certificate(keys.rsa(number=n), name(("CN", "s"))) for n in (1, 2)])


def test_r28_no_envelope(try_and_prove):
    try_and_prove(BAD_MESSAGE_CHECK, econtent=b"")


def test_r28_bare_csr_instead_of_an_envelope(try_and_prove, keys, server):
    bare = make_csr(keys.rsa(), server.challenge())
    try_and_prove(BAD_MESSAGE_CHECK, econtent=bare)


def test_c23_split_pair_decrypts_and_signs_each_with_its_own(enrol, keys):
    issued(enrol("split"), keys.rsa())


def test_split_pair_envelope_to_the_signing_certificate_is_refused(
        try_and_prove, server):
    sign_cert = server.endpoint("split").identity.sign_cert
    try_and_prove(BAD_MESSAGE_CHECK, "split", recipients=[sign_cert])


def test_r22_econtent_type_must_be_data(try_and_prove):
    try_and_prove(BAD_MESSAGE_CHECK, econtent_type=pkimessage.ENVELOPED_DATA)


def test_r27_content_type_in_the_envelope_must_be_data(try_and_prove, keys,
                                                       server):
    """The challenge inside is another's: were it read, it would be spent."""
    found = server.issue()
    inside = pkimessage.envelope(
        make_csr(keys.rsa(), found["challenge"]),
        [server.endpoint().identity.encrypt_cert],
        inner_type=pkimessage.SIGNED_DATA)
    try_and_prove(BAD_MESSAGE_CHECK, econtent=inside)
    assert server.state(found["id"]) == "issued"


# ---------------------------------------------------------- transaction ids

@pytest.mark.parametrize("text", [
    "0", "A" * 255, "x y", "nx/1+2=", "1" * 77, "deadBEEF", "a'()+,-./:=?b"])
def test_q12_transaction_ids(enrol, keys, text):
    reply = enrol(transaction_id=text)
    issued(reply, keys.rsa())
    assert reply.values[pkimessage.TRANSACTION_ID][0] == der.PRINTABLE


@pytest.mark.parametrize("tag", [der.UTF8, der.IA5, der.T61, der.BMP,
                                 der.UNIVERSAL])
def test_c36_transaction_id_in_any_string_type(enrol, keys, tag):
    issued(enrol(transaction_id="abc 123", transaction_id_tag=tag),
           keys.rsa())


def test_c36_transaction_id_is_escaped_in_the_log(enrol, server, log, keys):
    enrol(transaction_id="evil\n[x] forged \x1b[31m",
          transaction_id_tag=der.UTF8)
    assert "\n[x] forged" not in log.raw()
    assert "\x1b" not in log.raw()


@pytest.mark.parametrize("members", [
    {"transaction_id": ""}, {"transaction_id": "x" * 256},
    {"attributes": {pkimessage.TRANSACTION_ID: None}},
    {"attributes": {pkimessage.TRANSACTION_ID: [
        der.text(der.PRINTABLE, "a"), der.text(der.PRINTABLE, "b")]}},
    {"attributes": {pkimessage.TRANSACTION_ID: der.integer(5)}}],
    ids=["empty", "too long", "missing", "two values", "a number"])
def test_r23_wrong_transaction_ids(server, keys, members):
    challenge = server.challenge()
    endpoint = server.endpoint()
    built = endpoint.request(keys.rsa(), make_csr(keys.rsa(), challenge),
                             keys.signer(), **members)
    response = endpoint.post(built.build())
    assert response.status in (200, 400)
    good = endpoint.request(keys.rsa(), make_csr(keys.rsa(), challenge),
                            keys.signer())
    endpoint.send(good).check_issued(keys.rsa())


# ------------------------------------------------------------------- nonces

@pytest.mark.parametrize("size", [8, 16, 20, 32])
def test_c37_nonces_of_other_sizes_are_echoed(enrol, keys, size):
    issued(enrol(sender_nonce=os.urandom(size)), keys.rsa())


def test_q15_r58_reply_nonces_are_fresh(enrol):
    replies = [enrol() for _ in range(3)]
    assert len({reply.sender_nonce for reply in replies}) == 3
    for reply in replies:
        assert reply.sender_nonce != reply.request.sender_nonce


def test_q15_both_nonces_in_a_failure(try_and_prove):
    # CertRep demands both in every reply
    try_and_prove(BAD_REQUEST, message_type="18")


def test_c37_no_sender_nonce_is_bad_request(try_and_prove):
    try_and_prove(BAD_REQUEST, attributes={pkimessage.SENDER_NONCE: None})


@pytest.mark.parametrize("size", [0, 7, 33, 4000])
def test_c37_nonces_out_of_bounds(server, keys, size):
    challenge = server.challenge()
    endpoint = server.endpoint()
    built = endpoint.request(keys.rsa(), make_csr(keys.rsa(), challenge),
                             keys.signer(), sender_nonce=bytes(size))
    response = endpoint.post(built.build())
    assert response.status in (200, 400)
    good = endpoint.request(keys.rsa(), make_csr(keys.rsa(), challenge),
                            keys.signer())
    endpoint.send(good).check_issued(keys.rsa())


# ------------------------------------------------------------- messageType

@pytest.mark.parametrize("number", [
    "18", "0", "3", "1", "23", "99", "-1", "19 ", "019", "", "x",
    "4294967315", "18446744073709551635", "19.0"])
def test_c38_r26_any_other_message_type_is_refused(try_and_prove, number):
    try_and_prove(BAD_REQUEST, message_type=number)


def test_r23_no_message_type(try_and_prove):
    try_and_prove(BAD_REQUEST, attributes={pkimessage.MESSAGE_TYPE: None})


def test_c38_two_message_types(try_and_prove):
    try_and_prove(BAD_REQUEST, attributes={pkimessage.MESSAGE_TYPE: [
        der.text(der.PRINTABLE, "18"), der.text(der.PRINTABLE, "19")]})


@pytest.mark.parametrize("number", ["21", "22"])
def test_r55_get_cert_and_get_crl_are_refused(try_and_prove, number):
    try_and_prove(BAD_REQUEST, message_type=number)


def test_c68_poll_for_an_unknown_transaction_is_bad_cert_id(server, keys):
    endpoint = server.endpoint()
    subject = name(("CN", "device"))
    built = endpoint.request(
        keys.rsa(), der.DER.seq(subject, subject), keys.signer(),
        message_type="20")
    refused(endpoint.send(built), pkimessage.BAD_CERT_ID)


def test_r35_renewal_by_a_self_signed_certificate_needs_the_challenge(
        server, keys):
    """Message type 17 is no way round the challenge."""
    endpoint = server.endpoint()
    for text in (None, "0" * 32):
        built = endpoint.request(keys.rsa(), make_csr(keys.rsa(), text),
                                 keys.signer(), message_type="17")
        refused(endpoint.send(built), BAD_REQUEST)


# -------------------------------------------------------------------- CSRs

@pytest.mark.parametrize("tag", [der.PRINTABLE, der.UTF8, der.T61, der.BMP,
                                 der.IA5, der.UNIVERSAL])
def test_c39_q21_challenge_in_every_string_type(server, enrol, keys, tag):
    secret = server.challenge()
    built = csr(keys.rsa(), name(("CN", "device")),
                challenge_password(secret, tag))
    reply = enrol(challenge=secret, data=built)
    issued(reply, keys.rsa())


def test_q09_csr_attributes_in_any_order(server, enrol, keys):
    for order in (1, -1):
        secret = server.challenge()
        attributes = sorted([
            challenge_password(secret),
            extension_request(pki.subject_alt_name(
                pki.dns("a.example"))),
            attribute("1.2.840.113549.1.9.20", der.text(der.BMP, "nick"))])
        built = csr(keys.rsa(), name(("CN", "device")), *attributes[::order],
                    sort=False)
        issued(enrol(challenge=secret, data=built), keys.rsa())


@pytest.mark.parametrize("second", ["same", "other", "empty"])
def test_c40_two_challenge_passwords(try_and_prove, keys, second):
    def two(secret):
        other = {"same": secret, "other": "X" * 32, "empty": ""}[second]
        return csr(keys.rsa(), name(("CN", "device")),
                   challenge_password(secret), challenge_password(other),
                   sort=False)
    try_and_prove(BAD_REQUEST, csr_der=two)


def test_c39_challenge_password_of_two_values(try_and_prove, keys):
    try_and_prove(BAD_REQUEST, csr_der=lambda secret: csr(
        keys.rsa(), name(("CN", "device")), attribute(
            pki.CHALLENGE_PASSWORD, der.text(der.PRINTABLE, secret),
            der.text(der.PRINTABLE, "other"))))


def test_challenge_with_a_nul_in_it(try_and_prove, keys):
    try_and_prove(BAD_REQUEST, csr_der=lambda secret: csr(
        keys.rsa(), name(("CN", "device")),
        challenge_password(secret + "\0", der.UTF8)))


def test_c41_a_challenge_of_16_kib_is_read(server, keys):
    endpoint = server.endpoint()
    for text in ("A" * 16384, "A" * 16385, "A" * 40000):
        built = endpoint.request(keys.rsa(), make_csr(keys.rsa(), text),
                                 keys.signer())
        refused(endpoint.send(built), BAD_REQUEST)


@pytest.mark.parametrize("text", [
    None, "", "wrong", "0" * 32, " ", "f" * 32, "\u00e4\u00f6"])
def test_c63_r33_missing_or_wrong_challenge_is_bad_request(server, keys, text):
    endpoint = server.endpoint()
    built = csr(keys.rsa(), name(("CN", "device")), *(
        [] if text is None else [challenge_password(text, der.UTF8)]))
    message = endpoint.request(keys.rsa(), built, keys.signer())
    reply = endpoint.send(message)
    refused(reply, BAD_REQUEST)


def test_refused_challenges_look_alike_outside(server, keys):
    """Unknown, spent, revoked and bound elsewhere: one answer."""
    endpoint = server.endpoint()

    def answer(secret):
        message = endpoint.request(keys.rsa(), make_csr(keys.rsa(), secret),
                                   keys.signer())
        reply = endpoint.send(message)
        return reply.status, reply.fail_info, reply.fail_text

    spent = server.challenge()
    assert answer(spent)[0] == SUCCESS
    server.log.expect("SCEP0103")
    revoked = server.issue()
    server.admin("DELETE", "/challenges/" + revoked["id"])
    bound = server.challenge(subject="CN=somebody else")
    elsewhere = server.challenge("absent")
    answers = {answer(secret) for secret in (
        "0" * 32, spent, revoked["challenge"], bound, elsewhere)}
    assert len(answers) == 1, answers


def test_c43_r32_csr_signature_is_verified(try_and_prove, keys):
    try_and_prove(BAD_MESSAGE_CHECK, csr_der=lambda secret: csr(
        keys.rsa(), name(("CN", "device")), challenge_password(secret),
        spoil=True))


def test_c43_csr_that_claims_the_signers_key(try_and_prove, keys):
    """The CSR is signed by another key than the one it carries."""
    try_and_prove(BAD_MESSAGE_CHECK, csr_der=lambda secret: csr(
        keys.rsa(number=1), name(("CN", "device")),
        challenge_password(secret), claimed_key=keys.rsa()))


def test_c44_empty_subject(server, enrol, keys, try_and_prove):
    try_and_prove(BAD_REQUEST, csr_der=lambda secret: make_csr(
        keys.rsa(), secret, name(), [pki.dns("a.example")]))
    cert = issued(enrol("wide", csr={"subject": name(), "sans": [
        pki.dns("a.example")]}), keys.rsa())
    assert not list(cert.subject)
    # RFC 5280 4.1.2.6: then the SAN is critical
    san = cert.extensions.get_extension_for_class(
        x509.SubjectAlternativeName)
    assert san.critical


def test_c44_empty_subject_needs_a_san(try_and_prove, keys):
    try_and_prove(BAD_REQUEST, "wide", csr_der=lambda secret: make_csr(
        keys.rsa(), secret, name()))


@pytest.mark.parametrize("subject", [
    name(("SN", "FTX0001", der.PRINTABLE), ("UN", "router.example", der.IA5)),
    name(("CN", "a"), ("CN", "b"), ("O", "x")),
    name(("C", "CH", der.PRINTABLE), ("O", "\u00e4\u00f6\u00fc"),
         ("CN", "d\u00e9vice", der.BMP)),
    name(("CN", "t61", der.T61)), name(("CN", "u", der.UNIVERSAL))],
    ids=["cisco", "two CNs", "unicode", "t61", "universal"])
def test_c45_c46_subjects_are_carried_byte_for_byte(enrol, keys, subject):
    reply = enrol(csr={"subject": subject})
    issued(reply, keys.rsa())
    tbs = asn1_x509.Certificate.load(reply.certificates[0])["tbs_certificate"]
    assert tbs["subject"].dump() == subject


def test_key_types_and_sizes(server, keys):
    """R-8: too small, too large, of the wrong kind: badAlg."""
    endpoint = server.endpoint()
    for key in (keys.rsa(1024),):
        message = endpoint.request(key, make_csr(key, server.challenge()))
        refused(endpoint.send(message), BAD_ALG)
    narrow = server.endpoint("narrow")
    forms = {"digest": "sha512", "cipher": "aes256"}
    message = narrow.request(
        keys.rsa(), make_csr(keys.rsa(), server.challenge("narrow"),
                             digest="sha512"), **forms)
    refused(narrow.send(message), BAD_ALG)
    key = keys.rsa(3072)
    message = narrow.request(
        key, make_csr(key, server.challenge("narrow"), digest="sha512"),
        **forms)
    narrow.send(message).check_issued(key)


def test_narrow_profile_refuses_the_common_algorithms(try_and_prove, server,
                                                      keys):
    narrow = server.endpoint("narrow")
    key = keys.rsa(3072)
    for members in ({"digest": "sha256", "cipher": "aes256"},
                    {"digest": "sha512", "cipher": "aes128"}):
        message = narrow.request(
            key, make_csr(key, server.challenge("narrow"), digest="sha512"),
            **members)
        refused(narrow.send(message), BAD_ALG)


# ----------------------------------------------------------------- replies

def test_c34_c50_c60_r24_r40_r43_every_reply_is_read_strictly(server, keys):
    """CertRep, through which every test reads, lets nothing pass.

    It is the check of C-54, C-56, C-59, C-62, R-41 and R-42 too.
    """
    endpoint = server.endpoint()
    for secret in (server.challenge(), "wrong"):
        message = endpoint.request(keys.rsa(), make_csr(keys.rsa(), secret),
                                   keys.signer())
        data = endpoint.post(message.build()).body
        certrep.CertRep(data, message, endpoint.identity)
        for position in range(0, len(data), 23):
            changed = bytearray(data)
            changed[position] ^= 0x10
            with pytest.raises(Exception):
                certrep.CertRep(bytes(changed), message,
                                   endpoint.identity).check_issued(keys.rsa())


def test_r47_reply_to_a_certificate_of_this_ca(server, enrol, keys):
    """Signed by a certificate that was issued before; the challenge counts.

    Renewal without one is not served yet: FAILURE, and no crash (C-72).
    """
    old = enrol().certificates[0]
    endpoint = server.endpoint()
    for number in ("17", "19"):
        message = endpoint.request(keys.rsa(), make_csr(keys.rsa(), None),
                                   old, message_type=number)
        refused(endpoint.send(message), BAD_REQUEST)
    issued(enrol(signer=old), keys.rsa())


def test_r44_the_issued_certificate_alone_by_default(enrol):
    assert len(enrol().certificates) == 1


def test_c57_issued_certificate_first_then_the_chain(server, enrol, keys):
    reply = enrol("replyca")
    issued(reply, keys.rsa())
    chain = server.endpoint().identity.chain
    assert reply.certificates[1:] == chain[:1]
    reply = enrol("replychain")
    issued(reply, keys.rsa())
    assert reply.certificates[1:] == chain


def test_c51_r46_content_of_a_failure_empty_or_absent(server, keys):
    for profile, absent in (("default", False), ("absent", True)):
        endpoint = server.endpoint(profile, absent=absent)
        message = endpoint.request(keys.rsa(), make_csr(keys.rsa(), "no"),
                                   keys.signer())
        refused(endpoint.send(message), BAD_REQUEST)


def test_c58_signer_certificate_may_be_left_out(enrol, keys):
    issued(enrol("nosigner", forms={"signer": False}), keys.rsa())


def test_c61_fail_info_text_is_short_and_plain(server, keys):
    endpoint = server.endpoint()
    message = endpoint.request(keys.rsa(), make_csr(keys.rsa(), "no"),
                               keys.signer())
    reply = endpoint.send(message)
    if reply.fail_text is not None:
        assert 0 < len(reply.fail_text) < 100


def test_c49_r61_signing_time_is_checked_only_on_demand(server, enrol, keys,
                                                    try_and_prove):
    late = datetime.datetime.utcnow() + datetime.timedelta(hours=2)
    late = {pkimessage.SIGNING_TIME:
            der.tlv(0x17, late.strftime("%y%m%d%H%M%SZ").encode())}
    issued(enrol(attributes=late), keys.rsa())
    try_and_prove(BAD_TIME, "skew", attributes=late)


# ---------------------------------------------------------------- retrieval

def test_c65_replay_gives_no_second_certificate(server, keys):
    """R-57: the same octets again get the same answer; nothing more is
    issued."""
    secret = server.challenge()
    endpoint = server.endpoint()
    message = endpoint.request(keys.rsa(), make_csr(keys.rsa(), secret),
                               keys.signer())
    data = message.build()
    first = endpoint.send(message, data=data).check_issued(keys.rsa())
    for _ in range(3):
        again = endpoint.send(message, data=data).check_issued(keys.rsa())
        assert again == first


def test_q12_transaction_id_of_another_client(enrol, keys):
    """Constant transactionIDs must not collide between clients."""
    other = keys.rsa(number=1)
    issued(enrol(transaction_id="1"), keys.rsa())
    issued(enrol(transaction_id="1", key=other), other)
    issued(enrol(transaction_id="1"), keys.rsa())

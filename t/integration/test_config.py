"""configtest finds every mistake and says where it is (point 4).

SPDX-License-Identifier: Apache-2.0
"""
import base64
import os
import pty
import re
import shutil
import subprocess
import time

import pytest

import configuration
import gateway
import scepclient
from configuration import GOOD, sandbox
from gateway import make_csr, wait_until
from pkimessage import SUCCESS


@pytest.fixture(scope="session")
def config(keys):
    made = configuration.Configuration(keys)
    yield made
    shutil.rmtree(made.dir)


CHAIN = "ScepCAChain pki/ca.pem"
CAKEY = "ScepOpenSSLKey pki/issuing.key"
RACERT = "ScepRACertificate pki/ra.pem"
RAKEY = "ScepRAKey pki/ra.key"
VALIDITY = "ScepValidity 365d"


def test_the_good_one_is_good(config):
    status, output = config.check(GOOD)
    assert status == 0, output
    assert "Syntax OK" in output
    assert output.count("\n") == 1, output


def test_configtest_writes_nothing(config):
    config.check(GOOD)
    assert not (config.dir / "state").exists()
    assert not (config.dir / "error.log").exists() or \
        not (config.dir / "error.log").read_text()


# A mistake: what of GOOD becomes what, and what the message must say.  The
# line is that of the mistake, or of the container that it is in.
MISTAKES = [
    # files
    ("chain: no such file", CHAIN, "ScepCAChain pki/nothing.pem", "nothing"),
    ("chain: empty", CHAIN, "ScepCAChain pki/empty.pem", "empty"),
    ("chain: text", CHAIN, "ScepCAChain pki/text.pem", "text.pem"),
    ("chain: broken", CHAIN, "ScepCAChain pki/broken.pem", "broken.pem"),
    ("chain: cut", CHAIN, "ScepCAChain pki/cut.pem", "cut.pem"),
    ("chain: second cut", CHAIN, "ScepCAChain pki/cutchain.pem",
     "cutchain.pem"),
    ("chain: directory", CHAIN, "ScepCAChain pki/directory.pem",
     "directory.pem"),
    ("chain: wrong order", CHAIN, "ScepCAChain pki/upside-down.pem",
     "order|first|issued"),
    ("chain: gap", CHAIN, "ScepCAChain pki/gap.pem", "issued|expired"),
    ("chain: expired", CHAIN, "ScepCAChain pki/oldca.pem", "expired"),
    ("chain: no CA", CHAIN, "ScepCAChain pki/noca.pem", "CA"),
    ("chain: may not sign", CHAIN, "ScepCAChain pki/nosignca.pem",
     "keyCertSign"),
    ("chain: missing", CHAIN, "", "ScepCAChain"),
    ("CA key: no such file", CAKEY, "ScepOpenSSLKey pki/nothing.key",
     "ScepOpenSSLKey.*nothing"),
    ("CA key: does not match", CAKEY, "ScepOpenSSLKey pki/root.key",
     "ScepOpenSSLKey"),
    ("CA key: no key", CAKEY, "ScepOpenSSLKey pki/ca.pem", "ScepOpenSSLKey"),
    ("CA key: missing", CAKEY, "", "ScepOpenSSLKey"),
    ("CA key: wrong URI", CAKEY, "ScepOpenSSLKey nosuch:scheme",
     "ScepOpenSSLKey.*nosuch"),
    ("CA key: file URI", CAKEY, "ScepOpenSSLKey file:///nothing.key",
     "ScepOpenSSLKey.*nothing"),
    ("RA: no such file", RACERT, "ScepRACertificate pki/nothing.pem",
     "nothing"),
    ("RA: empty", RACERT, "ScepRACertificate pki/empty.pem", "empty"),
    ("RA: broken", RACERT, "ScepRACertificate pki/broken.pem", "broken"),
    ("RA: expired", RACERT, "ScepRACertificate pki/expired.pem", "expired"),
    ("RA: not yet valid", RACERT, "ScepRACertificate pki/future.pem",
     "valid"),
    ("RA: wrong usage", RACERT, "ScepRACertificate pki/cannot.pem", "usage"),
    ("RA: signs only", RACERT, "ScepRACertificate pki/sign.pem",
     "keyEncipherment|decrypt"),
    ("RA: decrypts only", RACERT, "ScepRACertificate pki/encrypt.pem",
     "digitalSignature|sign"),
    ("RA: EC key", RACERT, "ScepRACertificate pki/ec.pem", "RSA"),
    ("RA: of another CA", RACERT, "ScepRACertificate pki/byroot.pem",
     "issued"),
    ("RA: self-signed", RACERT, "ScepRACertificate pki/self.pem", "issued"),
    ("RA: is the CA, EC", RACERT, "ScepRACertificate pki/issuing.pem",
     "RSA"),
    ("RA: missing", RACERT, "", "ScepRACertificate"),
    ("RA key: no such file", RAKEY, "ScepRAKey pki/nothing.key",
     "nothing.key: No such file"),
    ("RA key: does not match", RAKEY, "ScepRAKey pki/other.key",
     "match|belong"),
    ("RA key: missing", RAKEY, "", "key"),
    ("RA key: one too many", RAKEY, RAKEY + "\n    " + RAKEY, "ScepRAKey"),
    # names
    ("unknown connector", "<ScepCA openssl issuing>",
     "<ScepCA nosuch issuing>", "nosuch.*mod_scep_ca_nosuch"),
    ("CA without name", "<ScepCA openssl issuing>", "<ScepCA openssl>",
     "name"),
    ("CA without anything", "<ScepCA openssl issuing>", "<ScepCA>", "ScepCA"),
    ("CA with too much", "<ScepCA openssl issuing>",
     "<ScepCA openssl issuing more>", "ScepCA"),
    ("CA with a bad name", "<ScepCA openssl issuing>",
     '<ScepCA openssl "a b">', "name"),
    ("CA not closed", "<ScepCA openssl issuing>", "<ScepCA openssl issuing",
     "ScepCA"),
    ("profile without CA", "    ScepCA issuing\n", "", "ScepCA"),
    ("profile of an unknown CA", "    ScepCA issuing\n",
     "    ScepCA nosuch\n", "nosuch"),
    ("profile without name", "<ScepProfile default>", "<ScepProfile>",
     "ScepProfile.*name"),
    ("profile with a bad name", "<ScepProfile default>",
     '<ScepProfile "a/b">', "a/b"),
    ("profile with two names", "<ScepProfile default>",
     "<ScepProfile default more>", "ScepProfile"),
    ("location with an unknown profile", "    ScepProfile default\n",
     "    ScepProfile nosuch\n", "ScepProfile.*nosuch"),
]

# faults that only show where the key belongs to the certificate
OWN_KEY = {"ScepRACertificate pki/%s.pem" % stem for stem in (
    "expired", "future", "cannot", "sign", "encrypt", "ec", "byroot", "self")}

# Directives of a profile: words that are no words
WORDS = [
    "ScepGetCACert nothing", "ScepGetCACert ca up", "ScepGetCACert",
    "ScepCapabilities", "ScepDigests", "ScepDigests md5",
    "ScepDigests sha256 whirlpool", "ScepCiphers", "ScepCiphers des",
    "ScepCiphers aes128 rc4", "ScepLegacyCrypto", "ScepLegacyCrypto maybe",
    "ScepKeyTypes", "ScepKeyTypes dsa", "ScepKeyTypes rsa:x",
    "ScepKeyTypes rsa:4096-2048", "ScepKeyTypes rsa:0", "ScepKeyTypes rsa:",
    "ScepKeyTypes ec:P-1", "ScepKeyTypes rsa:100-99999",
    "ScepSubjectAltNames", "ScepSubjectAltNames dns name",
    "ScepSubjectAltNames none dns", "ScepEmptySubject 1",
    "ScepIssuedNames", "ScepIssuedNames all", "ScepIssuedNames any policy",
    "ScepRSAExponent", "ScepRSAExponent 2", "ScepRSAExponent x",
    "ScepRSAExponent 99999999999", "ScepKeyReuse", "ScepKeyReuse never",
    "ScepKeyReuse off", "ScepMaxCertificates", "ScepMaxCertificates 0",
    "ScepMaxCertificates x", "ScepMaxCertificates 9999999",
    "ScepMaxCertificates 2",
    "ScepSubjectForce", 'ScepSubjectForce ""', "ScepSubjectForce CN",
    "ScepSubjectForce CN=a CN=b", "ScepSubjectForce CN=a,O=b",
    "ScepSubjectForce C=Switzerland", "ScepSubjectForce CN=%{cn}",
    "ScepSubjectForce CN=%{device}",
    "ScepSubjectRequire", "ScepSubjectRequire CN=a",
    "ScepSubjectRequire nosuch", "ScepSubjectAllow", "ScepSubjectAllow CN",
    "ScepSubjectAllow CN=a,O=b", "ScepSubjectAllow nosuch=*",
    "ScepSubjectAltNameRequire", "ScepSubjectAltNameRequire name",
    "ScepSubjectAltNameRequire upn", "ScepSubjectAltNameAllow",
    "ScepSubjectAltNameAllow *.example.com", "ScepSubjectAltNameAllow ip:x",
    "ScepSubjectAltNameAllow upn:*", "ScepExtendedKeyUsageAllow",
    "ScepExtendedKeyUsageAllow nosuch", "ScepCondition",
    "ScepCondition x", 'ScepCondition x "1 -eq"', 'ScepCondition "" "true"',
    'ScepCondition a/b "true"',
    'ScepCondition x "true"\nScepCondition x "true"',
    "ScepExtensions", "ScepExtensions x", "ScepExtensions 1.2.",
    "ScepExtensions keyUsage", "ScepExtensions 2.5.29.15",
    "ScepExtensions 2.5.29.17", "ScepExtensions 2.5.29.19",
    "ScepValidity", "ScepValidity x", "ScepValidity 0", "ScepValidity -1d",
    "ScepValidity 1y", "ScepValidity 99999999999d", "ScepValidity 1d 2d",
    "ScepKeyUsage", "ScepKeyUsage keyCertSign", "ScepKeyUsage everything",
    "ScepExtendedKeyUsage", "ScepExtendedKeyUsage nosuchusage",
    "ScepVerify", "ScepVerify nosuch",
    "ScepChallengeTTL", "ScepChallengeTTL 0", "ScepChallengeTTL soon",
    "ScepChallengeTTL 8d", "ScepChallengeMaxTTL 0",
    "ScepChallengeMaxTTL 1min",
    "ScepReplyCertificates", "ScepReplyCertificates all",
    "ScepFailureContent", "ScepFailureContent full",
    "ScepReplySigner", "ScepReplySigner never",
    "ScepReplyKeyTransport", "ScepReplyKeyTransport oaep",
    "ScepMaxClockSkew", "ScepMaxClockSkew 0", "ScepMaxClockSkew wide",
    "ScepRACertificate", "ScepRAKey", "ScepCA",
]
CA_WORDS = [
    "ScepOpenSSLDigest", "ScepOpenSSLDigest md5", "ScepOpenSSLDigest sha1",
    "ScepOpenSSLBackdate", "ScepOpenSSLBackdate x",
    "ScepOpenSSLCRLValidity x", "ScepOpenSSLCRLValidity 59s",
    "ScepOpenSSLBackdate -1h", "ScepOpenSSLCRLDistributionPoint",
    "ScepOpenSSLCRLDistributionPoint crl", "ScepOpenSSLCAIssuers",
    "ScepOpenSSLCAIssuers x", "ScepOpenSSLOCSP", "ScepOpenSSLOCSP x y",
    "ScepCAChain",
]
SERVER_WORDS = [
    "ScepStateDir", 'ScepStateDir ""', "ScepStateDir nothing/x",
    "ScepStateDir pki/ra.pem", "ScepStateDir pki/ra.pem/x",
    "ScepChallengeStore",
    "ScepChallengeStore shm", "ScepChallengeStore shm:", "ScepChallengeStore "
    "shm:x", "ScepChallengeStore shm:x(", "ScepChallengeStore shm:x()",
    "ScepChallengeStore shm:x(0)", "ScepChallengeStore shm:x(-5)",
    "ScepChallengeStore shm:x(many)", "ScepChallengeStore nosuch:x(10)",
    "ScepChallengeStore shm:x(99999999999999999999)",
    "ScepChallengeStore shm:a/b(10)", "ScepChallengeStore shm:(10)",
    "ScepChallengeStore shm:x(10)y",
    "ScepWeakKeys", "ScepWeakKeys nothing", "ScepWeakKeys pki/ra.pem",
    "ScepPassPhraseDialog", "ScepPassPhraseDialog ask",
    "ScepPassPhraseDialog exec:/nothing", "ScepPassPhraseDialog exec:",
    "ScepProfile nosuch",
]
LOCATION_WORDS = [
    "ScepMaxMessageSize", "ScepMaxMessageSize x", "ScepMaxMessageSize 0",
    "ScepMaxMessageSize -1", "ScepMaxMessageSize 64k",
    "ScepMaxMessageSize 99999999999999999999",
]
# directives where they do not belong
MISPLACED = (
    [("server", word) for word in (
        "ScepCA issuing", "ScepRACertificate pki/ra.pem",
        "ScepRAKey pki/ra.key", "ScepGetCACert ca", "ScepDigests sha256",
        "ScepLegacyCrypto on", "ScepValidity 1d", "ScepVerify otp",
        "ScepChallengeTTL 1h", "ScepSubjectAllow CN=*",
        "ScepRSAExponent 3", 'ScepCondition x "true"',
        "ScepCAChain pki/ca.pem",
        "ScepOpenSSLKey pki/issuing.key", "ScepOpenSSLDigest sha256")]
    + [("location", word) for word in (
        "ScepCA issuing", "ScepDigests sha256", "ScepStateDir x",
        "ScepChallengeStore shm:x(10)", "ScepLegacyCrypto on",
        "ScepOpenSSLKey pki/issuing.key", "ScepCAChain pki/ca.pem",
        "<ScepProfile x>\n</ScepProfile>",
        "<ScepCA openssl x>\n</ScepCA>")]
    + [("ca", word) for word in (
        "ScepRACertificate pki/ra.pem", "ScepValidity 1d", "ScepStateDir x",
        "ScepProfile default", "ScepMaxMessageSize 65536", "ScepCA issuing",
        "<ScepProfile x>\n</ScepProfile>")]
    + [("profile", word) for word in (
        "ScepCAChain pki/ca.pem", "ScepOpenSSLKey pki/issuing.key",
        "ScepStateDir x", "ScepChallengeStore shm:x(10)",
        "ScepWeakKeys x",
        "ScepProfile default", "ScepMaxMessageSize 65536",
        "<ScepProfile x>\n</ScepProfile>", "<ScepCA openssl x>\n</ScepCA>")]
    + [("vhost", word) for word in (
        "ScepStateDir x", "ScepChallengeStore shm:x(10)",
        "ScepPassPhraseDialog builtin", "<ScepProfile x>\n</ScepProfile>",
        "<ScepCA openssl x>\n</ScepCA>")])

OPENINGS = {
    "ca": "<ScepCA openssl issuing>\n",
    "profile": "<ScepProfile default>\n",
    "location": '<Location "/scep">\n',
}


def insert(place, text):
    """GOOD with text in one of its containers, and its line."""
    if place == "server":
        whole = text + "\n" + GOOD
    elif place == "vhost":
        whole = GOOD + "<VirtualHost *:8>\n%s\n</VirtualHost>\n" % text
    else:
        opening = OPENINGS[place]
        whole = GOOD.replace(opening, opening + text + "\n")
        return whole, GOOD[:GOOD.index(opening)].count("\n") + 2
    return whole, whole[:whole.index(text)].count("\n") + 1


def container_lines(text, line):
    """The lines of the container that the mistake is in."""
    lines = text.split("\n")
    first = last = line - 1
    while not lines[first].startswith("<") and first:
        first -= 1
    while not lines[last].startswith("</"):
        last += 1
    return set(range(first + 1, last + 2))


def finds(config, text, line, pattern, directive, also=()):
    status, output = config.check(text)
    assert status != 0, "accepted:\n" + text
    assert status > 0, "killed by signal %d" % -status
    named = [int(n) for n in re.findall(r"line (\d+)", output)]
    assert named and set(named) <= container_lines(
        text, line) | set(also), output
    assert "test.conf" in output, output
    assert directive in output, output
    assert re.search(pattern, output), output
    # one mistake, told once: two lines of AH00526, or ours and AH00014
    told = [entry for entry in output.splitlines() if "SCEP0020" not in entry]
    assert len(told) <= 3, output


@pytest.mark.parametrize("label,old,new,pattern", MISTAKES,
                         ids=[m[0] for m in MISTAKES])
def test_mistakes(config, label, old, new, pattern):
    assert old in GOOD
    text = GOOD.replace(old, new)
    if new in OWN_KEY:
        text = text.replace(RAKEY, new.replace("Certificate", "Key").replace(
            ".pem", ".key"))
    line = GOOD[:GOOD.index(old)].count("\n") + 1
    directive = re.match(r"\s*<?(Scep\w+)", old)[1]
    if new:
        # a key is judged with its certificate, a certificate with the key
        directive = directive.replace("ScepRAKey", "ScepRA")
    else:
        directive = ""
    finds(config, text, line, pattern, directive)


def _word_id(value):
    return value.replace("\n", " ")[:40]


@pytest.mark.parametrize("word", WORDS, ids=_word_id)
def test_wrong_words_in_a_profile(config, word):
    # a word given twice is no mistake of its own: the place is what counts
    text, line = insert("profile", word)
    if re.match("Scep(CA|RACertificate|RAKey)$", word):
        text, line = GOOD.replace("    ScepCA issuing\n", word + "\n"), 7
    finds(config, text, line, word.split()[0], word.split()[0])


@pytest.mark.parametrize("word", CA_WORDS, ids=_word_id)
def test_wrong_words_in_a_ca(config, word):
    text, line = insert("ca", word)
    finds(config, text, line, word.split()[0], word.split()[0])


@pytest.mark.parametrize("word", SERVER_WORDS, ids=_word_id)
def test_wrong_words_at_server_level(config, word):
    text, line = insert("server", word)
    finds(config, text, line, word.split()[0], word.split()[0])


@pytest.mark.parametrize("word", LOCATION_WORDS, ids=_word_id)
def test_wrong_words_in_a_location(config, word):
    text, line = insert("location", word)
    finds(config, text, line, word.split()[0], word.split()[0])


@pytest.mark.parametrize("place,word", MISPLACED,
                         ids=lambda value: _word_id(value))
def test_directives_out_of_place(config, place, word):
    text, line = insert(place, word)
    directive = re.match(r"<?(Scep\w+)", word)[1]
    finds(config, text, line, directive, directive)


def test_a_verifier_that_cannot_tell_the_device(config):
    secrets = config.dir / "secrets"
    secrets.write_text("name $scrypt$ln=14,r=8,p=1$%s$%s\n"
                       % ("A" * 22, "A" * 43))
    secrets.chmod(0o600)
    lines = ("ScepSubjectForce CN=%{device}\nScepChallengeRequire device\n"
             "ScepStaticSecrets secrets\nScepVerify ")
    text, line = insert("profile", lines + "otp static")
    finds(config, text, line, "verifier static", "ScepSubjectForce")
    status, output = config.check(insert("profile", lines + "otp")[0])
    assert status == 0, output


def test_two_cas_of_one_name(config):
    ca = GOOD[GOOD.index("<ScepCA"):GOOD.index("<ScepProfile")]
    text = GOOD + ca
    line = GOOD.count("\n") + 1
    finds(config, text, line, "ScepCA.*line 2 of", "ScepCA", also=[2])


def test_two_profiles_of_one_name(config):
    profile = GOOD[GOOD.index("<ScepProfile"):GOOD.index("<Location")]
    finds(config, GOOD + profile, GOOD.count("\n") + 1,
          "ScepProfile.*line 6 of", "ScepProfile", also=[6])


def test_several_profiles_and_none_named(config):
    profile = GOOD[GOOD.index("<ScepProfile"):GOOD.index("<Location")]
    text = GOOD.replace("    ScepProfile default\n", "") \
        + profile.replace("default", "second")
    finds(config, text, 13, "ScepProfile", "SetHandler")


def test_an_endpoint_without_any_profile(config):
    text = '<Location "/scep">\nSetHandler scep\n</Location>\n'
    finds(config, text, 2, "ScepProfile", "SetHandler")


def test_one_profile_needs_no_name(config):
    status, output = config.check(
        GOOD.replace("    ScepProfile default\n", ""))
    assert status == 0, output


def test_a_profile_named_further_out_is_enough(config):
    second = GOOD[GOOD.index("<ScepProfile"):GOOD.index("<Location")]
    text = GOOD.replace("    ScepProfile default\n", "") \
        + second.replace("default", "second") \
        + '<Location "/">\nScepProfile default\n</Location>\n'
    status, output = config.check(text)
    assert status == 0, output


def test_order_of_containers_does_not_matter(config):
    ca = GOOD[GOOD.index("<ScepCA"):GOOD.index("<ScepProfile")]
    location = GOOD[GOOD.index("<Location"):]
    text = location + GOOD.replace(ca, "").replace(location, "") + ca
    status, output = config.check(text)
    assert status == 0, output


@pytest.mark.parametrize("lines", [
    "ScepRACertificate pki/sign.pem\nScepRAKey pki/sign.key\n"
    "ScepRACertificate pki/encrypt.pem\nScepRAKey pki/encrypt.key",
    "ScepRACertificate pki/nousage.pem\nScepRAKey pki/nousage.key",
    "ScepRACertificate pki/ra.pem\nScepRAKey file:@DIR@/pki/ra.key"],
    ids=["split pair", "no key usage", "key by URI"])
def test_good_ra_certificates(config, lines):
    text = GOOD.replace("    %s\n    %s" % (RACERT, RAKEY),
                        lines.replace("@DIR@", str(config.dir)))
    status, output = config.check(text)
    assert status == 0, output


def test_an_encrypted_key_is_not_asked_for_at_configtest(config):
    asked = config.dir / "asked"
    program = config.dir / "dialog"
    program.write_text("#!/bin/sh\ntouch %s\necho phrase\n" % asked)
    program.chmod(0o755)
    text = GOOD.replace(RACERT, "ScepRACertificate pki/nousage.pem") \
        .replace(RAKEY, "ScepRAKey pki/locked.key")
    status, output = config.check(text)
    assert status == 0, output
    status, output = config.check(
        "ScepPassPhraseDialog exec:%s\n" % program + text)
    assert status == 0, output
    assert not asked.exists()


def test_configtest_does_not_prompt_on_a_terminal(config):
    config.check(GOOD.replace(RACERT, "ScepRACertificate pki/nousage.pem")
                 .replace(RAKEY, "ScepRAKey pki/locked.key"))
    parent, child = pty.openpty()
    # a controlling terminal, where a prompt would go
    done = subprocess.run(
        ["setsid", "-c", *sandbox.httpd_command(config.dir, "-t")],
        env=sandbox.httpd_environment(), stdin=child, stdout=child,
        stderr=child, timeout=60)
    os.close(child)
    output = os.read(parent, 10000).decode()
    os.close(parent)
    assert done.returncode == 0, output
    assert "phrase" not in output.lower()


HTACCESS_WORDS = [
    "ScepProfile default", "ScepMaxMessageSize 65536", "ScepStateDir x",
    "ScepLegacyCrypto on", "ScepOpenSSLKey x"]


def test_nothing_in_htaccess(make_server):
    server = make_server(start=False, lines=(
        'DocumentRoot "@DIR@/htdocs"\n<Directory "@DIR@/htdocs">\n'
        'AllowOverride All\nRequire all granted\n</Directory>\n'))
    documents = server.dir / "htdocs"
    for number, word in enumerate(HTACCESS_WORDS):
        (documents / str(number)).mkdir(parents=True)
        (documents / str(number) / ".htaccess").write_text(word + "\n")
        (documents / str(number) / "file").write_text("x")
    server.start()
    for number, word in enumerate(HTACCESS_WORDS):
        answer = scepclient.request("%s/%d/file" % (server.base, number))
        assert answer.status == 500, word
    server.log.expect("not allowed here|belongs? in")


# ------------------------------------------------------------- a life cycle

def test_loading_changes_nothing(make_server):
    """No SetHandler: no state, no watchdog trouble, no line but the usual."""
    server = make_server(bare=True, lines=(
        '<Location "/">\nRequire all granted\n</Location>\n'
        'DocumentRoot "@DIR@"\n'))
    assert scepclient.request(
        server.base + "/cgi-bin/pkiclient.exe?operation=GetCACaps"
    ).status == 404
    assert scepclient.request(server.base + "/pki/ca.pem").status == 200
    assert not (server.dir / "state").exists()
    assert not (server.dir / "scep").exists()


def test_profiles_without_an_endpoint_answer_nothing(make_server):
    server = make_server(bare=True, lines=GOOD[:GOOD.index("<Location")])
    server.log.expect("AH01630")
    assert scepclient.request(server.base + "/scep").status == 403


def test_graceful_reads_a_changed_certificate(make_server, keys):
    server = make_server()
    endpoint = server.endpoint()
    before = endpoint.identity.sign_cert
    secret = server.challenge()
    pki = server.dir / "pki"
    sandbox.make_certificate(
        pki, "ra", "/CN=Second RA",
        ("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"),
        ("basicConstraints=critical,CA:false",
         "keyUsage=critical,digitalSignature,keyEncipherment"), "issuing")
    server.reload()
    wait_until(lambda: server.endpoint().identity.sign_cert != before)
    endpoint = server.endpoint()
    wait_until(lambda: len({server.endpoint().identity.sign_cert
                            for _ in range(5)}) == 1)
    message = endpoint.request(keys.rsa(), make_csr(keys.rsa(), secret),
                               keys.signer())
    endpoint.send(message).check_issued(keys.rsa())


def test_a_bad_change_is_found_and_the_server_lives(make_server, keys):
    server = make_server()
    good = (server.dir / "pki" / "ra.pem").read_text()
    (server.dir / "pki" / "ra.pem").write_text("garbage")
    done = server.reload(check=False)
    assert done.returncode != 0
    assert "ScepRACertificate" in done.stdout + done.stderr
    assert server.endpoint().caps()
    (server.dir / "pki" / "ra.pem").write_text(good)
    server.reload()
    assert server.endpoint().caps()


@pytest.mark.parametrize("mpm", ["event", "prefork"])
def test_first_load_by_graceful(make_server, keys, mpm):
    """The module comes into a running server: one post_config only."""
    server = make_server(bare=True, mpm=mpm, lines="")
    conf = server.dir / "httpd.conf"
    whole = conf.read_text()
    without = "".join(line for line in whole.splitlines(True)
                      if "mod_scep" not in line and "scep:info" not in line)
    server.stop()
    conf.write_text(without)
    sandbox.launch(server.dir, server.port)
    server.lines = GOOD + (
        '<Location "/scep">\nRequire all granted\n</Location>\n'
        '<Location "/scep-admin">\nSetHandler scep-admin\n'
        'Require ip 127.0.0.1\n</Location>\n')
    server.reload()
    wait_until(lambda: scepclient.request(
        server.base + "/scep?operation=GetCACaps").status == 200)
    endpoint = server.endpoint(path="/scep")
    for _ in range(2):
        secret = server.challenge()
        message = endpoint.request(keys.rsa(), make_csr(keys.rsa(), secret),
                                   keys.signer())
        assert endpoint.send(message).status == SUCCESS
        server.reload()


def test_many_reloads_leak_no_segments_or_descriptors(make_server):
    server = make_server()

    def descriptors():
        return len(os.listdir("/proc/%d/fd" % server.pid))

    def mappings():
        maps = open("/proc/%d/maps" % server.pid).read()
        return maps.count(str(server.dir / "state"))

    for _ in range(2):
        server.reload()
    before = descriptors(), mappings()
    for _ in range(6):
        server.reload()
    assert (descriptors(), mappings()) == before


VHOSTS = """\
<VirtualHost 127.0.0.1:@PORT@>
    ServerName first.example
    ScepProfile default
    <Location "/here">
        SetHandler scep
        Require all granted
    </Location>
</VirtualHost>
<VirtualHost 127.0.0.1:@PORT@>
    ServerName second.example
    <Location "/here">
        SetHandler scep
        ScepProfile legacy
        Require all granted
    </Location>
</VirtualHost>
"""


def test_profiles_in_virtual_hosts(make_server):
    server = make_server(VHOSTS.replace("@PORT@", "${SANDBOX_PORT}"))

    def caps(host):
        return scepclient.request(
            server.base + "/here?operation=GetCACaps",
            headers={"Host": host}).body.split()

    assert b"DES3" not in caps("first.example")
    assert b"DES3" in caps("second.example")


SIZES = """\
ScepMaxMessageSize 8192
<Location "/wide">
    SetHandler scep
    ScepProfile default
    ScepMaxMessageSize 131072
    Require all granted
</Location>
<Location "/wide/inherits">
    LimitRequestBody 0
</Location>
<VirtualHost 127.0.0.1:@PORT@>
    ServerName default.example
</VirtualHost>
<VirtualHost 127.0.0.1:@PORT@>
    ServerName small.example
    ScepMaxMessageSize 4096
    <Location "/wide/small">
        ScepMaxMessageSize 5000
    </Location>
</VirtualHost>
"""


def test_message_size_is_merged_from_server_vhost_and_location(make_server):
    server = make_server(SIZES.replace("@PORT@", "${SANDBOX_PORT}"))

    def takes(path, size, host="default.example"):
        return scepclient.request(server.base + path, "POST", bytes(size),
                                  {"Host": host}).status == 400

    scep = "/cgi-bin/pkiclient.exe"
    for path, host, most in (
            (scep, "default.example", 8192), ("/wide", "x", 131072),
            ("/wide/inherits", "x", 131072), (scep, "small.example", 4096),
            ("/wide", "small.example", 131072),
            ("/wide/small", "small.example", 5000)):
        assert takes(path, most, host), (path, host)
        assert not takes(path, most + 1, host), (path, host)


def test_q18_legacy_crypto_is_warned_of_at_start(make_server):
    server = make_server()
    line, *_ = [line for line in server.log.path.read_text().splitlines()
                if "SCEP0011" in line]
    assert "legacy" in line and "ScepLegacyCrypto" in line


# ------------------------------------------------- what the package delivers

def packaged(pattern):
    return sorted((gateway.TREE / "conf").glob(pattern))


@pytest.mark.parametrize("path", packaged("examples/*.conf"),
                         ids=lambda p: p.name)
def test_examples_are_parsed(config, path, tmp_path):
    text = path.read_text()
    modules = " ".join(re.findall(r"^# Modules: (.*)$", text, re.M)).split()
    loads = "".join(config.httpd.load(module) for module in modules
                    if not module.startswith("scep")
                    and module not in sandbox.MODULES)
    loads += "".join('LoadModule %s_module "%s/.libs/mod_%s.so"\n'
                     % (module, gateway.BUILD, module) for module in modules
                     if module not in ("scep", "scep_ca_openssl")
                     and module.startswith("scep"))
    for stem, source in (("scep/ca-chain.pem", "ca.pem"),
                         ("scep/issuing.key", "issuing.key"),
                         ("scep/ra.pem", "ra.pem"), ("scep/ra.key", "ra.key"),
                         ("ssl/gateway.pem", "ra.pem"),
                         ("ssl/gateway.key", "ra.key"),
                         ("ssl/clients.pem", "ca.pem"),
                         ("scep/adcs-tls-ca.pem", "root.pem"),
                         ("scep/ejbca-client.pem", "ra.pem"),
                         ("scep/ejbca-client.key", "ra.key"),
                         ("scep/ejbca-tls-ca.pem", "root.pem")):
        target = config.dir / stem
        target.parent.mkdir(exist_ok=True)
        shutil.copy(config.pki / source, target)
    (config.dir / "scep" / "operators").write_text("")
    for stem in ("intune", "jamf", "svc-scep"):
        secret = config.dir / "scep" / (stem + ".secret")
        secret.write_text("secret\n")
        secret.chmod(0o600)
    for module in ("ssl",):
        if module in modules:
            loads += config.httpd.load("socache_shmcb")
    # the one path that only an installed httpd has
    text = text.replace("/var/log/apache2/", str(config.dir) + "/")
    status, output = config.check(text, loads)
    assert status == 0, output
    assert "Syntax OK" in output


def test_scep_conf_with_every_line_uncommented_is_parsed(config):
    text = (gateway.TREE / "conf" / "scep.conf").read_text()
    ca_text = (gateway.TREE / "conf" / "scep_ca_openssl.conf").read_text()
    directive = re.compile(r"^(\s*)#(<?/?[A-Z]\w+.*)$", re.M)
    (config.dir / "scep").mkdir(exist_ok=True)
    for stem, source in (("ca-chain.pem", "ca.pem"), ("ra.pem", "ra.pem"),
                         ("ra.key", "ra.key"),
                         ("issuing.key", "issuing.key"),
                         ("next-chain.pem", "root.pem"),
                         ("gateway.pem", "ra.pem"), ("gateway.key", "ra.key"),
                         ("webhook-ca.pem", "ca.pem"),
                         ("proxy-ca.pem", "ca.pem")):
        shutil.copy(config.pki / source, config.dir / "scep" / stem)
    key = base64.b64encode(bytes(32)).decode() + "\n"
    for path, secret in [("scep/static-secrets", "# none yet\n"),
                         ("scep/blacklist.RSA-2048", "# none yet\n"), *(
            (path, key) for path in re.findall(r" file:(scep/\S+)", text))]:
        (config.dir / path).write_text(secret)
        (config.dir / path).chmod(0o600)
    inner = re.findall(r"^\s*#(ScepOpenSSL\w+ .*)$", ca_text, re.M)
    assert inner
    text = "\n".join(line for line in directive.sub(
        r"\1\2", text).splitlines())
    text = text.replace("</ScepCA>", "\n".join(inner) + "\n</ScepCA>", 1)
    # one that stands instead of another, one that names a second profile
    text = re.sub(r"(ScepNextCASigned|ScepRolloverProfile) .*", "", text)
    status, output = config.check(text)
    assert status == 0, output + text

"""The PKI and the profiles of the server that most tests share.

SPDX-License-Identifier: Apache-2.0
"""
import base64

from asn1crypto import x509 as asn1_x509
from cryptography.hazmat.primitives import serialization

import pki
from pki import certificate, extension, key_usage, name


BASIC_CONSTRAINTS = "2.5.29.19"
CA = extension(BASIC_CONSTRAINTS, bytes.fromhex("30030101ff"), True)
DIGITAL_SIGNATURE, KEY_ENCIPHERMENT, CERT_SIGN, CRL_SIGN = 0, 2, 5, 6
CA_USAGE = key_usage(CERT_SIGN, CRL_SIGN)

CRL_URL = "http://crl.example/extra.crl"
ISSUERS_URL = "http://ca.example/extra.cer"
OCSP_URL = "http://ocsp.example/"
EXTRA_OID = "1.2.3.4.5.6.7"

# NAME: lines of <ScepProfile NAME>; the RA of the sandbox unless they say
# otherwise
PROFILES = {
    "absent": "ScepFailureContent absent",
    "pkcs1": "ScepReplyKeyTransport pkcs1",
    "nosigner": "ScepReplySigner off",
    "replyca": "ScepReplyCertificates ca",
    "replychain": "ScepReplyCertificates chain",
    "pubca": "ScepGetCACert ca",
    "pubcachain": "ScepGetCACert ca-chain",
    "pubraca": "ScepGetCACert ra+ca",
    "pubreverse": "ScepGetCACert ra+ca+root reverse",
    "capsedit": "ScepCapabilities +X-Example-Word -SHA-512",
    "capsnew": "ScepCapabilities AES POSTPKIOperation",
    "old": "ScepDigests sha1 sha256\nScepCiphers des3 aes128",
    "narrow": ("ScepKeyTypes rsa:3072\nScepDigests sha512\n"
               "ScepCiphers aes256"),
    "ecdsa": "ScepKeyTypes ec:P-384",
    "wide": ("ScepSubjectAltNames dns ip email uri upn sid rid dirname other\n"
             "ScepEmptySubject on\nScepExtensions " + EXTRA_OID),
    "nosans": "ScepSubjectAltNames none",
    "skew": "ScepMaxClockSkew 5min",
    "usage": ("ScepKeyUsage digitalSignature\n"
              "ScepExtendedKeyUsage serverAuth clientAuth 1.3.6.1.5.5.7.3.17\n"
              "ScepValidity 30d"),
    "ttl": "ScepChallengeTTL 5min\nScepChallengeMaxTTL 10min",
    "verify": "ScepVerify otp",
    "require": "ScepChallengeRequire subject sans device network",
}

CAS = """\
<ScepCA openssl extra>
    ScepCAChain {pki}/extra-chain.pem
    ScepOpenSSLKey {pki}/extra.key
    ScepOpenSSLDigest sha384
    ScepOpenSSLBackdate 1h
    ScepOpenSSLCRLDistributionPoint {crl}
    ScepOpenSSLCAIssuers {issuers}
    ScepOpenSSLOCSP {ocsp}
</ScepCA>
<ScepCA openssl lone>
    ScepCAChain {pki}/lone.pem
    ScepOpenSSLKey {pki}/lone.pem
</ScepCA>
<ScepProfile split>
    ScepCA extra
    ScepRACertificate {pki}/sign.pem
    ScepRAKey {pki}/sign.key
    ScepRACertificate {pki}/encrypt.pem
    ScepRAKey {pki}/encrypt.key
</ScepProfile>
<ScepProfile extra>
    ScepCA extra
    ScepRACertificate {pki}/both.pem
    ScepValidity 9000d
</ScepProfile>
<ScepProfile lone>
    ScepCA lone
    ScepRACertificate {pki}/lone.pem
    ScepGetCACert ca
</ScepProfile>
"""

LOCATION = """\
<Location "/p/{name}">
    SetHandler scep
    ScepProfile {name}
    Require all granted
</Location>
"""

OTHER = """\
LimitRequestLine 16384
LogLevel warn scep:trace8 scep_ca_openssl:trace8
<Location "/scep">
    SetHandler scep
    ScepProfile default
    Require all granted
</Location>
<Location "/certsrv/mscep/mscep.dll">
    SetHandler scep
    ScepProfile default
    Require all granted
</Location>
<Location "/small">
    SetHandler scep
    ScepProfile default
    ScepMaxMessageSize 4096
    Require all granted
</Location>
<Location "/limited">
    SetHandler scep
    ScepProfile default
    LimitRequestBody 4096
    Require all granted
</Location>
<Location "/charset">
    SetHandler scep
    ScepProfile default
    AddDefaultCharset utf-8
    Require all granted
</Location>
<Location "/denied">
    SetHandler scep
    ScepProfile default
    Require all denied
</Location>
<Location "/admin-open">
    SetHandler scep-admin
</Location>
"""


def _write(path, cert, key=None, key_path=None):
    content = pki.pem_cert(cert)
    if key and not key_path:
        content += pki.pem_key(key)
    path.write_bytes(content)
    path.chmod(0o600)
    if key_path:
        key_path.write_bytes(pki.pem_key(key))
        key_path.chmod(0o600)


def make_pki(path):
    """RSA CAs beside the sandbox's EC one, and a split pair of RAs."""
    root_key, extra_key = pki.rsa_key(), pki.rsa_key()
    root = certificate(root_key, name(("O", "test"), ("CN", "Extra Root")),
                       extensions=[CA, CA_USAGE], days=3650,
                       age=2)
    issuer = name(("O", "test"), ("CN", "Extra Issuing"))
    extra = certificate(extra_key, issuer, name(("O", "test"),
                                                ("CN", "Extra Root")),
                        root_key, extensions=[CA, CA_USAGE], days=3650,
                        age=2)
    (path / "extra-chain.pem").write_bytes(
        pki.pem_cert(extra) + pki.pem_cert(root))
    _write(path / "extra.pem", extra, extra_key, path / "extra.key")
    for stem, usages in (("sign", [DIGITAL_SIGNATURE]),
                         ("encrypt", [KEY_ENCIPHERMENT]),
                         ("both", [DIGITAL_SIGNATURE, KEY_ENCIPHERMENT])):
        key = pki.rsa_key()
        # C-27: a serial number of more than 20 octets is no obstacle
        serial = 1 << 180 if stem == "both" else None
        cert = certificate(key, name(("CN", "Extra RA " + stem)), issuer,
                           extra_key, extensions=[key_usage(*usages)],
                           serial=serial)
        if stem == "both":
            _write(path / "both.pem", cert, key)
        else:
            _write(path / (stem + ".pem"), cert, key, path / (stem + ".key"))
    lone_key = pki.rsa_key()
    lone = certificate(
        lone_key, name(("CN", "Lone CA")), days=3650,
        extensions=[CA, key_usage(DIGITAL_SIGNATURE, KEY_ENCIPHERMENT,
                                  CERT_SIGN, CRL_SIGN)])
    _write(path / "lone.pem", lone, lone_key)


def read_pem(path):
    """The certificates of a PEM file, in DER."""
    found = []
    for part in path.read_text().split("-----BEGIN CERTIFICATE-----")[1:]:
        found.append(base64.b64decode(part.split("-----END")[0]))
    return found


def lines(pki):
    text = CAS.format(pki=pki, crl=CRL_URL, issuers=ISSUERS_URL,
                      ocsp=OCSP_URL)
    for profile, body in PROFILES.items():
        text += ("<ScepProfile %s>\nScepCA issuing\n"
                 "ScepRACertificate pki/ra.pem\nScepRAKey pki/ra.key\n"
                 "%s\n</ScepProfile>\n" % (profile, body))
    for profile in [*PROFILES, "split", "extra", "lone"]:
        text += LOCATION.format(name=profile)
    return text + OTHER


def make_big_ra(path):
    """An RA of 4096 bits, for the longest request lines."""
    issuer, = read_pem(path / "extra.pem")
    issuer_key = serialization.load_pem_private_key(
        (path / "extra.key").read_bytes(), None)
    key = pki.rsa_key(4096)
    cert = certificate(
        key, name(("CN", "Extra RA big")),
        asn1_x509.Certificate.load(issuer).subject.dump(),
        issuer_key,
        extensions=[key_usage(DIGITAL_SIGNATURE, KEY_ENCIPHERMENT)])
    _write(path / "big.pem", cert, key)

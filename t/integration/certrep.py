"""CertReps and certificate bags, read so strictly that nothing passes.

SPDX-License-Identifier: Apache-2.0

AssertionError or ValueError is raised where a reply is not what RFC 8894 and
the statements of the tests ask for.
"""
from asn1crypto import cms
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.padding import PKCS7

import der
from der import DER
from pkimessage import (CIPHERS, CONTENT_TYPE, DATA, FAIL_INFO, FAIL_INFO_TEXT,
                     FAILURE, MESSAGE_DIGEST, MESSAGE_TYPE, PENDING,
                     PKI_STATUS, RECIPIENT_NONCE, SENDER_NONCE, SIGNING_TIME,
                     SUCCESS, TRANSACTION_ID, Pkcs1, crypt,
                     issuer_and_serial, public_key)
from pki import DIGESTS, RSA_ENCRYPTION, algorithm, spki


def read_degenerate(data):
    """The certificates of a certificates-only SignedData, order kept."""
    certificates, crls = read_bag(data)
    assert not crls
    return certificates


def read_bag(data):
    """The same, and its CRLs: there is the one or the other."""
    der.check_der(data)
    info = cms.ContentInfo.load(data, strict=True)
    assert info["content_type"].native == "signed_data"
    signed = info["content"]
    assert signed["version"].native == "v1"
    assert len(signed["digest_algorithms"]) == 0
    assert len(signed["signer_infos"]) == 0
    inner = signed["encap_content_info"]
    assert inner["content_type"].native == "data"
    assert inner.dump() == DER.seq(der.oid(DATA)), "content must be absent"
    found = [[choice.chosen.dump() for choice in signed[field] or []]
             for field in ("certificates", "crls")]
    assert bool(found[0]) != bool(found[1])
    return found


def verify_issued(cert, issuer):
    """Checks the signature of one certificate (DER) by another."""
    child = x509.load_der_x509_certificate(cert)
    parent = x509.load_der_x509_certificate(issuer)
    assert child.issuer == parent.subject
    key = parent.public_key()
    arguments = [child.signature, child.tbs_certificate_bytes]
    if isinstance(key, rsa.RSAPublicKey):
        arguments.append(padding.PKCS1v15())
        arguments.append(child.signature_hash_algorithm)
    else:
        arguments.append(ec.ECDSA(child.signature_hash_algorithm))
    key.verify(*arguments)


def verify_chain(chain):
    for child, parent in zip(chain, chain[1:]):
        verify_issued(child, parent)


class CertRep:
    """A reply, checked against the request that it answers.

    identity  what GetCACert gave: an Identity
    absent    the profile says ScepFailureContent absent
    pkcs1     the profile says ScepReplyKeyTransport pkcs1
    signer    the reply carries the RA's certificate
    """

    def __init__(self, data, request, identity, absent=False, pkcs1=False,
                 signer=True, digest=None):
        der.check_der(data)
        info = cms.ContentInfo.load(data, strict=True)
        assert info["content_type"].native == "signed_data"
        signed = info["content"]
        assert signed["version"].native == "v1"
        self.request = request
        self.identity = identity
        digest_oid = DIGESTS[digest or request.digest][0]
        digests = [item["algorithm"].dotted
                   for item in signed["digest_algorithms"]]
        assert digests == [digest_oid], digests
        content = self._content(signed)
        self._verify(signed, content, digest_oid, signer)
        self._read_attributes()
        self.certificates = []
        self.cert = None
        if self.status == SUCCESS:
            assert content
            self._open(content, pkcs1)
        elif absent:
            assert content is None
        else:
            assert content == b""

    @staticmethod
    def _content(signed):
        encap = signed["encap_content_info"]
        assert encap["content_type"].dotted == DATA
        parts = list(der.split(encap.dump()))
        inner = list(der.split(parts[0][1]))
        if len(inner) == 1:
            return None
        assert inner[1][0] == 0xa0
        (tag, octets, _), = der.split(inner[1][1])
        assert tag == der.OCTETS
        return octets

    def _verify(self, signed, content, digest_oid, signer):
        info, = signed["signer_infos"]
        assert info["version"].native == "v1"
        ra = self.identity.sign_cert
        assert info["sid"].chosen.dump() == issuer_and_serial(ra)
        certs = [choice.chosen.dump() for choice in signed["certificates"]]
        assert certs == ([ra] if signer else [])
        assert info["digest_algorithm"]["algorithm"].dotted == digest_oid
        assert info["signature_algorithm"].dump() == \
            algorithm(RSA_ENCRYPTION)
        attributes = info["signed_attrs"]
        hash_ = next(h for o, h in DIGESTS.values() if o == digest_oid)
        public_key(ra).verify(info["signature"].native,
                              b"\x31" + attributes.dump()[1:],
                              padding.PKCS1v15(), hash_())
        self.values = {}
        for item in attributes:
            dotted = item["type"].dotted
            assert dotted not in self.values
            (_, values, _), = [part for part in der.split(item.dump())]
            (_, one, _) = list(der.split(values))[1]
            value, = der.split(one)
            self.values[dotted] = value
        digest = hashes.Hash(hash_())
        digest.update(content or b"")
        assert self.values[MESSAGE_DIGEST][1] == digest.finalize()
        assert self.values[CONTENT_TYPE][2] == der.oid(DATA)
        assert len(info["unsigned_attrs"]) == 0

    def _printable(self, dotted):
        tag, content, _ = self.values[dotted]
        assert tag == der.PRINTABLE, (dotted, tag)
        return content.decode()

    def _read_attributes(self):
        request = self.request
        assert self._printable(MESSAGE_TYPE) == "3"
        self.status = self._printable(PKI_STATUS)
        assert self.status in (SUCCESS, FAILURE, PENDING)
        wanted = {CONTENT_TYPE, MESSAGE_DIGEST, MESSAGE_TYPE, PKI_STATUS,
                  SENDER_NONCE}
        wanted |= self._check_echo()
        tag, nonce, _ = self.values[SENDER_NONCE]
        assert tag == der.OCTETS and len(nonce) == 16
        self.sender_nonce = nonce
        self.fail_info = self.fail_text = None
        if self.status == FAILURE:
            wanted.add(FAIL_INFO)
            self.fail_info = self._printable(FAIL_INFO)
            assert self.fail_info in "01234"
            if FAIL_INFO_TEXT in self.values:
                wanted.add(FAIL_INFO_TEXT)
                tag, content, _ = self.values[FAIL_INFO_TEXT]
                assert tag == der.UTF8 and len(content) <= 200
                self.fail_text = content.decode()
        # CMS's own, which clients know (C-60)
        wanted |= {SIGNING_TIME} & set(self.values)
        assert set(self.values) == wanted, set(self.values) ^ wanted

    def _check_echo(self):
        """What of the request the reply repeats, where it could be read."""
        request = self.request
        echo = {TRANSACTION_ID, RECIPIENT_NONCE}
        if not request.readable:
            return echo & set(self.values)
        if TRANSACTION_ID in request.attributes:
            echo.remove(TRANSACTION_ID)
        else:
            tag, content, _ = self.values[TRANSACTION_ID]
            codec = {der.PRINTABLE: "ascii", der.UTF8: "utf-8"}[tag]
            assert content.decode(codec) == request.transaction_id
        if SENDER_NONCE in request.attributes:
            echo.remove(RECIPIENT_NONCE)
        else:
            assert self.values[RECIPIENT_NONCE][:2] == \
                (der.OCTETS, request.sender_nonce)
        return echo

    def _open(self, content, pkcs1):
        request = self.request
        info = cms.ContentInfo.load(content, strict=True)
        assert info["content_type"].native == "enveloped_data"
        enveloped = info["content"]
        assert enveloped["version"].native == "v0"
        recipient = enveloped["recipient_infos"]
        assert len(recipient) == 1
        recipient = recipient[0].chosen
        assert recipient["rid"].chosen.dump() == \
            issuer_and_serial(request.signer)
        transport = Pkcs1() if pkcs1 else request.transport
        self._check_transport(recipient["key_encryption_algorithm"],
                              transport)
        key = request.key.decrypt(recipient["encrypted_key"].native,
                                  transport.padding())
        inner = enveloped["encrypted_content_info"]
        assert inner["content_type"].native == "data"
        cipher = inner["content_encryption_algorithm"]
        assert cipher["algorithm"].dotted == CIPHERS[request.cipher][0]
        iv = cipher["parameters"].native
        plain = crypt(request.cipher, key, iv,
                      inner["encrypted_content"].native, True)
        unpad = PKCS7(CIPHERS[request.cipher][2] * 8).unpadder()
        plain = unpad.update(plain) + unpad.finalize()
        self.certificates, self.crls = read_bag(plain)
        if self.certificates:
            self.cert = x509.load_der_x509_certificate(self.certificates[0])

    @staticmethod
    def _check_transport(sent, transport):
        assert sent["algorithm"].dotted == transport.oid
        parts = [whole for _, _, whole in der.split(
            next(der.split(sent.dump()))[1])]
        if transport.oid == RSA_ENCRYPTION:
            assert parts[1:] == [der.null()]
            return
        # C-55: an explicit SEQUENCE, empty where all is default
        assert len(parts) == 2 and parts[1][0] == der.SEQUENCE
        params = sent["parameters"]
        assert params["hash_algorithm"]["algorithm"].native == \
            transport.digest
        assert params["mask_gen_algorithm"]["parameters"][
            "algorithm"].native == transport.mgf

    def check_issued(self, key):
        """SUCCESS: the certificate has this key and the CA's signature."""
        assert self.status == SUCCESS, (self.fail_info, self.fail_text)
        issued = self.certificates[0]
        assert self.cert.public_key().public_bytes(
            serialization.Encoding.DER,
            serialization.PublicFormat.SubjectPublicKeyInfo) == spki(key)
        verify_issued(issued, self.identity.chain[0])
        return self.cert


class Identity:
    """What GetCACert says: RA certificates and the CA's chain."""

    def __init__(self, certificates):
        self.certificates = certificates
        cas = [c for c in certificates if _is_ca(c)]
        ras = [c for c in certificates if not _is_ca(c)]
        self.chain = order_chain(cas)
        self.sign_cert = self._pick(ras, "digital_signature") or cas[0]
        self.encrypt_cert = self._pick(ras, "key_encipherment") or cas[0]

    @staticmethod
    def _pick(certs, usage):
        for cert in certs:
            value = asn1_x509.Certificate.load(cert).key_usage_value
            if value is None or usage in value.native:
                return cert
        return None

    def verify(self):
        for cert in (self.sign_cert, self.encrypt_cert):
            if cert not in self.chain:
                verify_issued(cert, self.chain[0])
        verify_chain(self.chain)


def _is_ca(cert):
    value = asn1_x509.Certificate.load(cert).basic_constraints_value
    return bool(value and value["ca"].native)


def order_chain(certs):
    """CA certificates, issuing CA first."""
    parsed = {c: asn1_x509.Certificate.load(c) for c in certs}
    issuers = {p.issuer.dump() for c, p in parsed.items()
               if p.issuer.dump() != p.subject.dump()}
    first = [c for c, p in parsed.items()
             if p.subject.dump() not in issuers] or certs[:1]
    chain = first[:1]
    while chain:
        issuer = parsed[chain[-1]].issuer.dump()
        above = [c for c, p in parsed.items()
                 if p.subject.dump() == issuer and c not in chain]
        if not above:
            break
        chain.append(above[0])
    return chain

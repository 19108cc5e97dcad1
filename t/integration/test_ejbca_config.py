"""Directives of the connector to EJBCA: every mistake at configtest.

SPDX-License-Identifier: Apache-2.0
"""
import pathlib
import shutil
import subprocess

import pytest

import configuration
import gateway

LOAD = 'LoadModule scep_ca_ejbca_module "%s"\n' % (
    gateway.BUILD / ".libs" / "mod_scep_ca_ejbca.so")

CONFIGURATION = """\
ScepStateDir state
<ScepCA ejbca issuing>
    ScepCAChain pki/ca.pem
{lines}
</ScepCA>
<ScepProfile default>
    ScepCA issuing
    ScepRACertificate pki/ra.pem
    ScepRAKey pki/ra.key
{profile}
</ScepProfile>
<Location "/scep">
    SetHandler scep
    ScepProfile default
</Location>
"""
LINES = {
    "url": "ScepEjbcaURL https://ejbca.example:8443/ejbca/ejbca-rest-api",
    "ca": "ScepEjbcaCA IssuingCA",
    "cp": "ScepEjbcaCertificateProfile DEVICE",
    "eep": "ScepEjbcaEndEntityProfile EEP",
    "auth": "ScepEjbcaToken file:token",
}
CLIENT = "ScepEjbcaClientCertificate pki/expired.pem pki/expired.key"
OAUTH = "ScepEjbcaOAuth https://idp.example/token gateway "


@pytest.fixture(scope="module")
def config(keys):
    made = configuration.Configuration(keys)
    for name, text, mode in (("token", "a.b.c\n", 0o600),
                             ("open", "a.b.c\n", 0o644),
                             ("two-lines", "a\nb\n", 0o600),
                             ("empty", "", 0o600),
                             ("program", "#!/bin/sh\ntouch \"$0.ran\"\n",
                              0o755)):
        (made.dir / name).write_text(text)
        (made.dir / name).chmod(mode)
    (made.pki / "both.pem").write_text(
        (made.pki / "expired.pem").read_text()
        + (made.pki / "expired.key").read_text())
    yield made
    shutil.rmtree(made.dir)


def check(config, profile="", more="", **change):
    lines = "\n".join([*{**LINES, **change}.values(), more])
    return config.check(CONFIGURATION.format(lines=lines, profile=profile),
                        LOAD)


@pytest.mark.parametrize("change, says", [
    ({"url": ""}, "ScepEjbcaURL is missing"),
    ({"ca": ""}, "ScepEjbcaCA is missing"),
    ({"cp": ""}, "ScepEjbcaCertificateProfile is missing"),
    ({"eep": ""}, "ScepEjbcaEndEntityProfile is missing"),
    ({"auth": ""}, "ScepEjbcaClientCertificate, ScepEjbcaToken or"),
    ({"auth": "ScepEjbcaToken file:token\n" + CLIENT}, "exclude each other"),
    ({"auth": "ScepEjbcaToken file:token\n" + OAUTH + "file:token"},
     "exclude each other"),
    ({"url": "ScepEjbcaURL ejbca.example"}, "ScepEjbcaURL"),
    ({"url": "ScepEjbcaURL http://ejbca.example/ejbca"}, "https://"),
    ({"url": "ScepEjbcaURL https://u:p@ejbca.example/"}, "user's name"),
    ({"url": "ScepEjbcaURL https://ejbca.example/?x=1"}, "query"),
    ({"ca": 'ScepEjbcaCA ""'}, "ScepEjbcaCA"),
    ({"ca": "ScepEjbcaCA Issuing CA"}, "takes one argument"),
    ({"more": "ScepEjbcaUsername %{CN}"}, "must begin with text"),
    ({"more": 'ScepEjbcaUsername ""'}, "ScepEjbcaUsername"),
    ({"more": "ScepEjbcaUsername scep-%{cn}"}, "known are"),
    ({"more": "ScepEjbcaUsername scep-%{OU}"}, "known are"),
    ({"more": "ScepEjbcaUsername scep-%CN"}, "known are"),
    ({"more": "ScepEjbcaUsername 'scep %{CN}'"}, "letters, digits"),
    ({"more": "ScepEjbcaMode manual"}, "enroll preregistered"),
    ({"more": "ScepEjbcaTimeout 0"}, "1s to 10min"),
    ({"more": "ScepEjbcaTimeout 11min"}, "1s to 10min"),
    ({"more": "ScepEjbcaTimeout soon"}, "1s to 10min"),
    ({"more": "ScepEjbcaAccountBinding maybe"}, "On or Off"),
    ({"more": "ScepEjbcaCAFile none.pem"}, "there is no file"),
    ({"more": "ScepEjbcaCAFile pki"}, "there is no file"),
    ({"more": "ScepEjbcaCAFile pki/text.pem"}, "ScepEjbcaCAFile"),
    ({"auth": "ScepEjbcaToken token"}, "file:PATH or exec:PROGRAM"),
    ({"auth": "ScepEjbcaToken file:none"}, "ScepEjbcaToken"),
    ({"auth": "ScepEjbcaToken file:open"}, "chmod 600"),
    ({"auth": "ScepEjbcaToken file:empty"}, "empty"),
    ({"auth": "ScepEjbcaToken file:two-lines"}, "one line"),
    ({"auth": "ScepEjbcaToken exec:token"}, "ScepEjbcaToken"),
    ({"auth": OAUTH + "file:open"}, "chmod 600"),
    ({"auth": OAUTH}, "CLIENT-ID"),
    ({"auth": OAUTH + "file:token scope more"}, "CLIENT-ID"),
    ({"auth": "ScepEjbcaOAuth http://idp.example/ gateway file:token"},
     "https://"),
    ({"auth": "ScepEjbcaClientCertificate none.pem"}, "there is no file"),
    ({"auth": "ScepEjbcaClientCertificate pki/ra.pem "
              '"pkcs11:token=scep?pin-value=1234"'}, "pin-source=file:"),
    ({"auth": "ScepEjbcaClientCertificate pki/ra.pem none.key"},
     "there is no file"),
    ({"auth": "ScepEjbcaClientCertificate pki/ra.pem"},
     "ScepEjbcaClientCertificate"),
    ({"auth": "ScepEjbcaClientCertificate pki/ra.pem pki/other.key"},
     "ScepEjbcaClientCertificate"),
    ({"auth": "ScepEjbcaClientCertificate pki/text.pem pki/ra.key"},
     "ScepEjbcaClientCertificate"),
    ({"profile": "ScepVerify ca"}, "does not check challenges itself"),
    ({"profile": "ScepSubjectForce O=Example"},
     "cannot change a subject"),
])
def test_mistakes_are_named(config, change, says):
    status, output = check(config, **change)
    assert status != 0, output
    assert says in output, output


@pytest.mark.parametrize("change", [
    {},
    {"auth": CLIENT},
    {"auth": "ScepEjbcaClientCertificate pki/both.pem"},
    {"auth": "ScepEjbcaToken exec:program"},
    {"auth": OAUTH + "file:token"},
    {"auth": OAUTH + "exec:program api://ejbca/.default"},
    {"url": "ScepEjbcaURL http://127.0.0.1:8080/ejbca/ejbca-rest-api/"},
    {"cp": "ScepEjbcaMode preregistered", "eep": "",
     "profile": "ScepVerify ca"},
    {"more": "ScepEjbcaUsername scep-%{serialNumber}.%{DNS}_%{SHA256}@x"},
    {"more": "ScepEjbcaUsername one-for-all"},
    {"more": "ScepEjbcaCAFile pki/ca.pem\nScepEjbcaTimeout 5s\n"
             "ScepEjbcaProxy http://proxy.example:3128\n"
             "ScepEjbcaAccountBinding off\n"
             'ScepEjbcaIssuer "CN=IssuingCA,O=Example"'},
])
def test_the_good_ones_are_good_and_nothing_is_run(config, change):
    status, output = check(config, **change)
    assert status == 0, output
    assert not (config.dir / "program.ran").exists()
    assert not (config.dir / "state").exists()


def test_outside_of_a_ca_they_are_mistakes(config):
    status, output = config.check(
        LINES["url"] + "\n" + CONFIGURATION.format(
            lines="\n".join(LINES.values()), profile=""), LOAD)
    assert status != 0 and "belongs inside <ScepCA ejbca NAME>" in output


def test_two_cas_do_not_share_what_they_say(config):
    """What one has, the other must have too."""
    second = CONFIGURATION.format(lines=LINES["url"], profile="").replace(
        "issuing", "second").replace("default", "other").replace(
        "ScepStateDir state\n", "")
    status, output = config.check(CONFIGURATION.format(
        lines="\n".join(LINES.values()), profile="") + second, LOAD)
    assert status != 0 and "is missing" in output, output


def test_an_unloaded_connector_is_named(config):
    status, output = config.check(CONFIGURATION.format(
        lines="\n".join(LINES.values()), profile=""))
    assert status != 0
    assert "mod_scep_ca_ejbca" in output or "ScepEjbcaURL" in output


def test_the_module_exports_itself_alone():
    listing = subprocess.run(
        ["nm", "-D", "--defined-only",
         pathlib.Path(gateway.BUILD) / ".libs/mod_scep_ca_ejbca.so"],
        text=True, check=True, stdout=subprocess.PIPE).stdout
    assert [line.split()[-1] for line in listing.splitlines()] == \
        ["scep_ca_ejbca_module"]

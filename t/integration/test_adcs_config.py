"""Directives of the connector to ADCS: every mistake at configtest.

SPDX-License-Identifier: Apache-2.0
"""
import shutil
import subprocess

import pytest

import configuration
import gateway
import kerberos

LOAD = 'LoadModule scep_ca_adcs_module "%s"\n' % (
    gateway.BUILD / ".libs" / "mod_scep_ca_adcs.so")

CONFIGURATION = """\
ScepStateDir state
<ScepCA adcs issuing>
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
    "url": "ScepAdcsURL https://ces.example/CA%20X_CES_Y/service.svc/CES",
    "interface": "ScepAdcsInterface ces",
    "template": "ScepAdcsTemplate ScepDevice",
    "auth": "ScepAdcsAuth usernametoken LAB\\svc-scep file:secret",
}
WEB = {"url": "ScepAdcsURL https://ca.example/certsrv",
       "interface": "ScepAdcsInterface certsrv",
       "auth": "ScepAdcsAuth basic LAB\\svc-scep file:secret"}
NTLM = "ScepAdcsAuth ntlm LAB\\svc-scep file:secret"


@pytest.fixture(scope="module")
def config(keys):
    made = configuration.Configuration(keys)
    for stem, text, mode in (("secret", "a b c\n", 0o600),
                             ("open", "abc\n", 0o644),
                             ("two-lines", "a\nb\n", 0o600),
                             ("empty", "", 0o600),
                             ("program", "#!/bin/sh\ntouch \"$0.ran\"\n",
                              0o755)):
        (made.dir / stem).write_text(text)
        (made.dir / stem).chmod(mode)
    with kerberos.Realm() as realm:
        realm.add_user("svc-scep", "secret")
        shutil.copy(realm.keytab_of("svc-scep"), made.dir / "keytab")
    (made.dir / "keytab").chmod(0o600)
    yield made
    shutil.rmtree(made.dir)


def check(config, profile="", more="", **change):
    lines = "\n".join([*{**LINES, **change}.values(), more])
    return config.check(CONFIGURATION.format(lines=lines, profile=profile),
                        LOAD)


@pytest.mark.parametrize("change, says", [
    ({"url": ""}, "ScepAdcsURL is missing"),
    ({"template": ""}, "ScepAdcsTemplate is missing"),
    ({"auth": ""}, "ScepAdcsAuth"),
    ({"auth": NTLM}, "ScepAdcsAllowNTLM"),
    ({"auth": NTLM, "more": "ScepAdcsAllowNTLM off"}, "ScepAdcsAllowNTLM"),
    ({"more": "ScepAdcsAllowNTLM perhaps"}, "On or Off"),
    ({**WEB, "auth": LINES["auth"]}, "usernametoken"),
    ({"url": "ScepAdcsURL ces.example"}, "ScepAdcsURL"),
    ({"url": "ScepAdcsURL http://ces.example/CES"}, "https://"),
    ({"url": "ScepAdcsURL https://u:p@ces.example/"}, "user's name"),
    ({"url": "ScepAdcsURL https://ces.example/?x=1"}, "query"),
    ({"url": 'ScepAdcsURL "https://ces.example/CA X/CES"'}, "ScepAdcsURL"),
    ({"interface": "ScepAdcsInterface rpc"}, "ces certsrv"),
    ({"template": 'ScepAdcsTemplate ""'}, "ScepAdcsTemplate"),
    ({"template": "ScepAdcsTemplate a\x07b"}, "ScepAdcsTemplate"),
    ({"auth": "ScepAdcsAuth"}, "ScepAdcsAuth"),
    ({"auth": "ScepAdcsAuth magic x y"}, "usernametoken basic kerberos"),
    ({"auth": "ScepAdcsAuth basic LAB\\x"}, "give basic"),
    ({"auth": "ScepAdcsAuth basic LAB\\x file:secret more"}, "give basic"),
    ({"auth": "ScepAdcsAuth basic LAB\\x secret"}, "file:PATH"),
    ({"auth": "ScepAdcsAuth basic LAB\\x file:none"}, "ScepAdcsAuth"),
    ({"auth": "ScepAdcsAuth basic LAB\\x file:open"}, "chmod 600"),
    ({"auth": "ScepAdcsAuth basic LAB\\x file:empty"}, "empty"),
    ({"auth": "ScepAdcsAuth basic LAB\\x file:two-lines"}, "one line"),
    ({"auth": "ScepAdcsAuth kerberos svc-scep@SCEP.TEST none"},
     "there is no file"),
    ({"auth": "ScepAdcsAuth kerberos svc-scep@SCEP.TEST secret"},
     "ScepAdcsAuth"),
    ({"auth": "ScepAdcsAuth kerberos other@SCEP.TEST keytab"},
     "ScepAdcsAuth"),
    ({"auth": "ScepAdcsAuth certificate none.pem"}, "there is no file"),
    ({"auth": "ScepAdcsAuth certificate pki/ra.pem none.key"},
     "there is no file"),
    ({"auth": "ScepAdcsAuth certificate pki/ra.pem"}, "ScepAdcsAuth"),
    ({"auth": "ScepAdcsAuth certificate pki/ra.pem pki/other.key"},
     "ScepAdcsAuth"),
    ({"auth": "ScepAdcsAuth certificate pki/text.pem pki/ra.key"},
     "ScepAdcsAuth"),
    ({"auth": 'ScepAdcsAuth certificate pki/ra.pem '
              '"pkcs11:object=a?pin-value=1234"'}, "pin-source=file:"),
    ({"more": "ScepAdcsSigner none.pem"}, "there is no file"),
    ({"more": 'ScepAdcsSigner pki/ra.pem "pkcs11:object=a?pin-value=1"'},
     "pin-source=file:"),
    ({"more": "ScepAdcsSigner pki/ra.pem"}, "ScepAdcsSigner"),
    ({"more": "ScepAdcsSigner pki/ra.pem pki/other.key"}, "ScepAdcsSigner"),
    ({"more": "ScepAdcsSigner pki/text.pem pki/ra.key"}, "ScepAdcsSigner"),
    ({"more": "ScepAdcsMicrosoftNames some"}, "refuse allow"),
    ({"more": "ScepAdcsTimeout 0"}, "1s to 10min"),
    ({"more": "ScepAdcsTimeout 11min"}, "1s to 10min"),
    ({"more": "ScepAdcsCAFile none.pem"}, "there is no file"),
    ({"more": "ScepAdcsCAFile pki/text.pem"}, "ScepAdcsCAFile"),
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
    WEB,
    {"interface": ""},
    {"auth": "ScepAdcsAuth basic svc-scep@lab.example exec:program"},
    {"auth": "ScepAdcsAuth kerberos svc-scep@SCEP.TEST keytab"},
    {**WEB, "auth": NTLM, "more": "ScepAdcsAllowNTLM on"},
    {"auth": "ScepAdcsAuth certificate pki/ra.pem pki/ra.key"},
    {"url": "ScepAdcsURL http://127.0.0.1:8080/certsrv/"},
    {"more": "ScepAdcsSigner pki/ra.pem pki/ra.key\n"
             "ScepAdcsCAFile pki/ca.pem\nScepAdcsTimeout 5s\n"
             "ScepAdcsProxy http://proxy.example:3128\n"
             "ScepAdcsMicrosoftNames allow"},
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
    assert status != 0 and "belongs inside <ScepCA adcs NAME>" in output


def test_it_has_no_crl_to_go_by(config):
    status, output = check(
        config, profile="ScepVerify cert\nScepRenewalRevocation ca")
    assert status != 0 and "the connector adcs has no CRL" in output


def test_the_module_exports_itself_alone():
    listing = subprocess.run(
        ["nm", "-D", "--defined-only",
         gateway.BUILD / ".libs/mod_scep_ca_adcs.so"],
        text=True, check=True, stdout=subprocess.PIPE).stdout
    assert [line.split()[-1] for line in listing.splitlines()] == \
        ["scep_ca_adcs_module"]

"""strongSwan's pki before each CA that build/sandbox can put beside it.

SPDX-License-Identifier: Apache-2.0
"""
import pytest

import gateway


@pytest.fixture(scope="module", params=["ejbca", "adcs-ces", "adcs-certsrv"])
def server(request):
    sandbox = gateway.Sandbox(ca=request.param)
    try:
        sandbox.start()
        yield sandbox
    finally:
        sandbox.remove()


@pytest.mark.parametrize("san", ["x.example.com", "a-long-name.example.com"])
def test_a_device_enrols(server, client, verify, tmp_path, san):
    """The longer its names, the less its attributes are sorted."""
    done = client("default", server.challenge(), dn="CN=swan", san=san)
    assert done.returncode == 0, done.stderr
    verify(tmp_path / "c.pem", tmp_path / "k.pem", san="DNS:" + san)


def test_a_wrong_challenge_gets_nothing(server, client, tmp_path):
    assert client("default", "0" * 32, dn="CN=swan").returncode != 0
    assert not (tmp_path / "c.pem").exists()

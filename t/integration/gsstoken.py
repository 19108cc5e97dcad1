"""A SPNEGO token of another client: bound as asked, or not at all.

    gsstoken.py SERVICE@HOST [BINDING, the octets in hexadecimal]

SPDX-License-Identifier: Apache-2.0
"""
import base64
import sys

import gssapi
from gssapi.raw import ChannelBindings

SPNEGO = gssapi.OID.from_int_seq("1.3.6.1.5.5.2")


def main(service, binding=""):
    context = gssapi.SecurityContext(
        usage="initiate", mech=SPNEGO,
        name=gssapi.Name(service, gssapi.NameType.hostbased_service),
        channel_bindings=ChannelBindings(
            application_data=bytes.fromhex(binding)) if binding else None)
    print(base64.b64encode(context.step()).decode())


if __name__ == "__main__":
    main(*sys.argv[1:])

"""What gates find in their environment: what libraries are told in no other way."""

import os
from collections.abc import Mapping
from pathlib import Path

GATES: Mapping[str, str] = {
    # Which cipher of TLS 1.3 comes first, which the ssl module cannot say before Python 3.15.
    "OPENSSL_CONF": str(Path(__file__).with_name("openssl.cnf")),
    # A handshake takes and gives back hundreds of small pieces of memory; the C library keeps seven
    # of each size at hand, which costs a handshake 10 us.
    "GLIBC_TUNABLES": "glibc.malloc.tcache_count=127",
}


def of_gates() -> dict[str, str]:
    """The environment of a gate that is started; what the operator has set stays as it is."""
    return {**GATES, **os.environ}

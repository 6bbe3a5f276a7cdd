"""Where the system has its trusted certificates.

Found in the process that makes the policy, since only Python's `ssl` knows, which a process of workers has no
other use for.

Given a folder that is hashed by name (`c_rehash`), OpenSSL reads only the certificates that it needs: a
handle then costs 0.1 MB and its first connection 2 ms; with the bundle it is 0.95 MB and 10 to 14 ms, for
each of 50 workers.
"""

import os
import re
import ssl
from pathlib import Path

from taskrunner.handlers.http.trust_store import TrustStore

_HASHED = re.compile(r"[0-9a-f]{8}\.\d+")


def find_authorities() -> TrustStore:
    """What the environment (`SSL_CERT_FILE`, `SSL_CERT_DIR`) or the system has."""
    known = ssl.get_default_verify_paths()
    if known.openssl_cafile_env in os.environ:
        return TrustStore(file=known.cafile)
    if known.capath and _is_hashed(known.capath):
        return TrustStore(folder=known.capath)
    return TrustStore(file=known.cafile)


def _is_hashed(folder: str) -> bool:
    return any(_HASHED.fullmatch(path.name) for path in Path(folder).iterdir())

"""`python -m stentor` is the same as the command `stentor`."""

import os
from pathlib import Path

# OpenSSL reads it once, when the first module that uses it is imported.
os.environ.setdefault("OPENSSL_CONF", str(Path(__file__).with_name("openssl.cnf")))

from stentor.cli import main

if __name__ == "__main__":
    raise SystemExit(main())

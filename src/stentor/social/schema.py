"""The tables: accounts, their sessions, who did the setup, and which Space is whose.

Only types and constraints that SQLite and PostgreSQL share are used; times are UTC milliseconds.
"""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
)

from stentor.ids import SPACE_ID_CHARS, SPEAKER_ID_CHARS
from stentor.limits import NAME_CHARS_MAX

VERSION = 1
"""Of this schema; a database that says a later one is not touched."""
ACCOUNT_ID_CHARS = 12
HASH_HEX_CHARS = 64

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

schema_version = Table(
    "schema_version",
    metadata,
    Column("id", Integer, CheckConstraint("id = 1", name="one_row"), primary_key=True),
    Column("version", Integer, nullable=False),
)

accounts = Table(
    "accounts",
    metadata,
    Column("id", String(ACCOUNT_ID_CHARS), primary_key=True),
    Column("name", String(NAME_CHARS_MAX), nullable=False),
    # The name as it is compared (NFKC, case folded), which may be longer than the name.
    Column("name_key", String(NAME_CHARS_MAX * 18), nullable=False, unique=True),
    Column("password_hash", String(256), nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("password_at_ms", BigInteger, nullable=False),
)

setup = Table(
    "setup",
    metadata,
    # The one row that can be here decides who was first, whatever the number of processes.
    Column("id", Integer, CheckConstraint("id = 1", name="one_row"), primary_key=True),
    Column("account_id", ForeignKey("accounts.id"), nullable=False),
    Column("at_ms", BigInteger, nullable=False),
)

sessions = Table(
    "sessions",
    metadata,
    Column("token_hash", String(HASH_HEX_CHARS), primary_key=True),
    Column("account_id", ForeignKey("accounts.id", ondelete="CASCADE"), nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("expires_at_ms", BigInteger, nullable=False),
    Index(None, "account_id"),
    Index(None, "expires_at_ms"),
)

spaces = Table(
    "spaces",
    metadata,
    Column("space", String(SPACE_ID_CHARS), primary_key=True),
    # No foreign key: the log is the truth about who hosts, and this table only remembers it.
    Column("account_id", String(ACCOUNT_ID_CHARS), nullable=False),
    Column("host_speaker", String(SPEAKER_ID_CHARS), nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Index(None, "account_id"),
)

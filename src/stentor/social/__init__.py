"""People: accounts, sessions, who hosts which Space, the database that keeps this, its backup."""

from stentor.social.accounts import Account
from stentor.social.backup import backup
from stentor.social.database import Database
from stentor.social.hosting import host_speaker_of, remember
from stentor.social.setup import create_setup_link, setup_link
from stentor.social.signin import SignIn, reset_password
from stentor.social.throttle import TooMany

__all__ = [
    "Account",
    "Database",
    "SignIn",
    "TooMany",
    "backup",
    "create_setup_link",
    "host_speaker_of",
    "remember",
    "reset_password",
    "setup_link",
]

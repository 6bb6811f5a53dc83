"""Passwords as scrypt hashes in a line of text."""

from __future__ import annotations

import pytest

from maskinfer.control.settings.passwords import check_password, hash_password, is_hash
from maskinfer.engine.errors import RequestError


def test_a_password_is_known_again_and_no_other_is() -> None:
    hashed = hash_password("Grüße vom Eingang")
    assert is_hash(hashed)
    assert hashed.startswith("scrypt$16384$8$1$")
    assert "Gr" not in hashed
    assert check_password("Grüße vom Eingang", hashed)
    assert not check_password("Grüße vom Eingang ", hashed)
    assert not check_password("", hashed)
    assert not check_password("x" * 100_000, hashed)
    assert not check_password("\ud800", hashed)


def test_two_hashes_of_one_password_differ() -> None:
    assert hash_password("correct horse") != hash_password("correct horse")


def test_it_is_the_scrypt_of_the_rfc() -> None:
    """RFC 7914, section 12: "pleaseletmein" with the salt "SodiumChloride", N = 16384, r = 8, p = 1."""
    key = "cCO9yzr9c0hGHAbNgf046_2o-7qQT44-qbVD9lRdofLVQylVYT8Pz2LUlwUkKpr55h6F3A1lHkDfzwF7RVdYhw"
    assert check_password("pleaseletmein", f"scrypt$16384$8$1$U29kaXVtQ2hsb3JpZGU${key}")


@pytest.mark.parametrize("password", ["", "1234567", "x" * 1025])
def test_a_password_that_is_too_short_or_too_long_is_refused(password: str) -> None:
    with pytest.raises(RequestError, match="8 letters or more"):
        hash_password(password)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hunter22",
        "scrypt$16384$8$1$abc$def",
        "scrypt$16385$8$1$U29kaXVtQ2hsb3JpZGU$cCO9yzr9c0hGHAbNgf04_2o6qQT446-qbVuKtG8rdVQ",  # no power of two
        "scrypt$1048576$8$1$U29kaXVtQ2hsb3JpZGU$cCO9yzr9c0hGHAbNgf04_2o6qQT446-qbVuKtG8rdVQ",  # a gigabyte
        "scrypt$16384$8$0$U29kaXVtQ2hsb3JpZGU$cCO9yzr9c0hGHAbNgf04_2o6qQT446-qbVuKtG8rdVQ",
    ],
)
def test_what_is_no_hash_is_told(text: str) -> None:
    assert not is_hash(text)
    with pytest.raises(RequestError, match="--hash-password"):
        check_password("pleaseletmein", text)

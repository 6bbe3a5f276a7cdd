"""Private keys for tests of tokens."""

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


def pem_of(key: Key, passphrase: bytes | None = None) -> str:
    """The key in PEM, locked if there is a passphrase."""
    lock: KeySerializationEncryption = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, lock).decode()


def rsa_pem(bits: int = 2048) -> str:
    return pem_of(rsa.generate_private_key(65_537, bits))


def ec_pem(curve: ec.EllipticCurve | None = None) -> str:
    return pem_of(ec.generate_private_key(curve or ec.SECP256R1()))


def ed25519_pem() -> str:
    return pem_of(ed25519.Ed25519PrivateKey.generate())

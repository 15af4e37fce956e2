"""Why somebody gets no answer, as the web layer tells it (problem+json)."""

from __future__ import annotations


class ExchangeRefusedError(Exception):
    """status: HTTP. title: fixed words. detail: what to do about it; neither quotes a question."""

    def __init__(self, status: int, title: str, detail: str) -> None:
        super().__init__(f"{status} {title}: {detail}")
        self.status = status
        self.title = title
        self.detail = detail


def bad_question(detail: str) -> ExchangeRefusedError:
    return ExchangeRefusedError(400, "bad question", detail)


def unknown_key() -> ExchangeRefusedError:
    return ExchangeRefusedError(
        401, "unknown key", "no gateway or collector with this key; see: campus vault gateway add"
    )


def wrong_signature() -> ExchangeRefusedError:
    return ExchangeRefusedError(401, "wrong signature", "the signature does not fit the key it names")


def revoked() -> ExchangeRefusedError:
    return ExchangeRefusedError(403, "revoked", "this gateway was revoked; see: campus vault gateway replace")


def not_yours(detail: str) -> ExchangeRefusedError:
    return ExchangeRefusedError(403, "not for this key", detail)


def too_often() -> ExchangeRefusedError:
    return ExchangeRefusedError(429, "too often", "wait some seconds before asking again")


def busy() -> ExchangeRefusedError:
    return ExchangeRefusedError(503, "busy", "others are being answered; ask again in a few seconds")


def unavailable() -> ExchangeRefusedError:
    return ExchangeRefusedError(503, "unavailable", "the vault's database cannot be used now")


def too_large() -> ExchangeRefusedError:
    return ExchangeRefusedError(
        503, "too large", "the answer is larger than one may be; a vault is for one school"
    )
